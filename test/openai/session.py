"""What a client of OpenAI's Python package does with this service; every fact is a line of JSON."""

import json
import sys
import time

import openai

base_url, picture_path, target_path = sys.argv[1:4]
client = openai.OpenAI(base_url=f"{base_url}/v1", api_key="none")
small = {"prompt": "a red fox runs across fresh snow", "size": "854x480", "seconds": "1"}
fast = {"num_inference_steps": 6}


def tell(fact, **about):
    print(json.dumps({"fact": fact, **about}), flush=True)


def served_by(video):
    served = video.understudy["served_by"]
    return None if served is None else served["kind"]


def order_while_held():
    """The main model is held back until the stand-in was told of."""
    video = client.videos.create(**small, extra_body={**fast, "understudy": {"allow": ["frames"], "fallback": "stand_in_then_real"}})
    tell("ordered", id=video.id, status=video.status, allow=video.understudy["allow"])
    seen = []
    has_stand_in = False
    deadline = time.monotonic() + 240
    while video.status in ("queued", "in_progress") and time.monotonic() < deadline:
        state = [video.status, served_by(video)]
        if state not in seen:
            seen.append(state)
        if served_by(video) == "stand_in" and not has_stand_in:
            has_stand_in = True
            clip = client.videos.with_raw_response.download_content(video.id, extra_query={"variant": "standin"})
            tell("stand_in", served_by=clip.headers["x-understudy-served-by"], bytes=len(clip.content))
        time.sleep(0.05)
        video = client.videos.retrieve(video.id)
    seen.append([video.status, served_by(video)])
    tell("seen", states=seen)
    return video.id


def order_and_poll():
    """With a picture as a file, and by the package's own loop."""
    with open(picture_path, "rb") as picture:
        video = client.videos.create_and_poll(**small, model="TI2V-5B", input_reference=picture, extra_body=fast)
    tell("polled", id=video.id, status=video.status, model=video.model, progress=video.progress, seconds=video.seconds, error=video.error)
    content = client.videos.download_content(video.id)
    content.write_to_file(target_path)
    tell("downloaded", type=content.response.headers["content-type"], served_by=content.response.headers["x-understudy-served-by"])
    return video.id




def refusals(gone):
    for name, call in {
        "size": lambda: client.videos.create(prompt="a fox", size="720x1280"),
        "gone": lambda: client.videos.retrieve(gone),
        "remix": lambda: client.with_options(max_retries=0).videos.remix(gone, prompt="another fox"),
    }.items():
        try:
            call()
        except openai.APIStatusError as error:
            tell("refused", of=name, kind=type(error).__name__, status=error.status_code, code=error.code, param=error.param)


first = order_while_held()
second = order_and_poll()
tell("listed", ids=[video.id for video in client.videos.list(limit=1)], oldest=[video.id for video in client.videos.list(order="asc")])
tell("models", ids=[model.id for model in client.models.list()])
for video_id in (first, second):
    answer = client.videos.delete(video_id)
    tell("deleted", id=answer.id, deleted=answer.deleted, object=answer.object)
tell("left", ids=[video.id for video in client.videos.list()])
refusals(first)
