"""An example of a worker of your own: Understudy starts it, and it renders with the function `paint`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from understudy_worker import Job, OnStep, Worker, serve
from understudy_worker.mux import Clip, write_clip

Frames = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def paint(clip: Frames) -> Frames:  # replace with yours: one step from noise towards the video
    drawn = np.indices(clip.shape).sum(axis=0) % 256.0
    clip += 0.2 * (drawn - clip)
    return clip


class Painter(Worker):
    kind = "painter"
    models = ("painter",)  # as the service's registry file calls them

    def load(self, model: str, profile: str, on_ratio: Callable[[float], None]) -> None:
        on_ratio(1.0)  # replace with yours: read the weights, report how far it is

    def render(self, job: Job, on_step: OnStep) -> Path:
        request = job.request
        clip = np.random.default_rng(request.seed).uniform(0, 255, (request.frames, request.height, request.width, 3))
        on_step("encode", 1, 1)
        for step in range(request.steps):
            clip = paint(clip)
            on_step("denoise", step + 1, request.steps)
        on_step("decode", 1, 1)
        size = Clip(request.width, request.height, request.frames, request.frames_per_second)
        write_clip(job.output_path, clip.astype(np.uint8), size, lambda count: on_step("mux", count, request.frames))
        return job.output_path


if __name__ == "__main__":
    serve(Painter)
