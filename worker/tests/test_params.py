"""Parameters of requests: how they are read, and that the first wrong field is named."""

from __future__ import annotations

from typing import Any

import pytest

from understudy_worker import params
from understudy_worker.errors import InvalidParams

MODELS = ("T2V-A14B", "our-video")
REQUEST: dict[str, Any] = {
    "model": "T2V-A14B",
    "prompt": "a fox",
    "width": 854,
    "height": 480,
    "frames": 81,
    "frames_per_second": 16,
    "steps": 40,
    "seed": 7,
    "lora_path": None,
    "lora_strength": 1,
}
GENERATE: dict[str, Any] = {
    "job_id": "a",
    "fence": 1,
    "request": REQUEST,
    "workflow": None,
    "output_path": "/x/a.mp4",
    "checkpoint_dir": "/x/a",
}


def test_a_request_to_generate_is_read_as_it_was_sent() -> None:
    job = params.job(GENERATE, MODELS)
    assert (job.job_id, job.fence, job.request.width, job.request.frames_per_second) == ("a", 1, 854, 16.0)
    assert (job.request.loras, job.request.image_path) == ((), None)


def test_loras_are_read_with_the_expert_that_they_are_for() -> None:
    loras = [{"name": "ink.safetensors", "strength": 0.5, "expert": "low"}, {"name": "b.safetensors", "strength": 1}]
    read = params.job({**GENERATE, "request": {**REQUEST, "loras": loras}}, MODELS).request.loras
    assert [(lora.name, lora.strength, lora.expert) for lora in read] == [
        ("ink.safetensors", 0.5, "low"),
        ("b.safetensors", 1.0, "both"),
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 0),
        ("height", 1.5),
        ("frames", -1),
        ("frames_per_second", 0),
        ("steps", "many"),
        ("steps", True),
        ("seed", -1),
        ("model", "no-such-model"),
        ("lora_strength", None),
        ("loras", [{"name": "a"}]),
        ("loras", [{"name": "a", "strength": 1, "expert": "middle"}]),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidParams, match=f"generate: request.*{field}"):
        params.job({**GENERATE, "request": {**REQUEST, field: value}}, MODELS)


@pytest.mark.parametrize("field", ["job_id", "fence", "request", "output_path", "checkpoint_dir"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(InvalidParams, match=field):
        params.job({name: value for name, value in GENERATE.items() if name != field}, MODELS)


def test_a_probe_is_read_by_its_kind() -> None:
    assert params.probe_params({"kind": "canary", "model": "our-video"}, MODELS).model == "our-video"
    with pytest.raises(InvalidParams, match="kind"):
        params.probe_params({"kind": "rumour"}, MODELS)
