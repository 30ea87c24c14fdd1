from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from understudy_worker.errors import ConfigurationError, RequestError
from understudy_worker.pipelines.plan import Envelope, plan
from understudy_worker.pipelines.registry import DEFAULT_REGISTRY, entry_of, read_registry
from understudy_worker.surface import RenderRequest

SHIPPED: dict[str, dict[str, Any]] = json.loads(DEFAULT_REGISTRY.read_text(encoding="utf-8"))


def request(model: str, **fields: Any) -> RenderRequest:
    given: dict[str, Any] = {"width": 854, "height": 480, "frames": 81, "frames_per_second": 16.0, "steps": 40}
    return RenderRequest(**{"model": model, "prompt": "a fox", "seed": 1, **given, **fields})


def test_the_shipped_list_holds_the_three_models_of_wan_below_the_models_directory() -> None:
    registry = read_registry(DEFAULT_REGISTRY, Path("/models"))
    assert {name: (entry.pipeline, entry.size_step, entry.expert_count) for name, entry in registry.items()} == {
        "T2V-A14B": ("WanPipeline", 16, 2),
        "I2V-A14B": ("WanImageToVideoPipeline", 16, 2),
        "TI2V-5B": ("WanPipeline", 32, 1),
    }
    assert registry["T2V-A14B"].folder == Path("/models/Wan-AI/Wan2.2-T2V-A14B-Diffusers")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pipeline", "StableDiffusionPipeline"),
        ("size_step", 0),
        ("frame_step", "4"),
        ("boundary_ratio", 1.5),
        ("guidance_scale", True),
        ("image", "maybe"),
        ("dtype", "int8"),
        ("profiles", []),
        ("profiles", ["fast"]),
        ("flow_shift", -1),
        ("colour", "red"),
    ],
)
def test_a_wrong_field_is_refused_with_the_model_and_its_name(field: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"T2V-A14B.*{field}"):
        entry_of("T2V-A14B", {**SHIPPED["T2V-A14B"], field: value}, Path("/models"))


def test_a_missing_field_is_refused() -> None:
    given = {name: value for name, value in SHIPPED["T2V-A14B"].items() if name != "folder"}
    with pytest.raises(ConfigurationError, match="folder is missing"):
        entry_of("T2V-A14B", given, Path("/models"))


@pytest.mark.parametrize(
    "change",
    [
        {"boundary_ratio": None},
        {"pipeline": "CogVideoXPipeline"},
        {"pipeline": "CogVideoXPipeline", "boundary_ratio": None, "guidance_scale_2": None, "image": "optional"},
    ],
)
def test_fields_that_do_not_go_together_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        entry_of("T2V-A14B", {**SHIPPED["T2V-A14B"], **change}, Path("/models"))


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_registry(tmp_path / "none.json", tmp_path)
    (tmp_path / "bad.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="must be an object"):
        read_registry(tmp_path / "bad.json", tmp_path)


@pytest.mark.parametrize(
    ("model", "asked", "rendered"),
    [
        ("T2V-A14B", (854, 480, 81), (864, 480, 81)),
        ("T2V-A14B", (1920, 1080, 80), (1920, 1088, 81)),
        ("TI2V-5B", (1280, 720, 121), (1280, 736, 121)),
        ("TI2V-5B", (1280, 704, 1), (1280, 704, 1)),
    ],
)
def test_what_is_asked_is_rendered_at_the_next_legal_size_and_count(
    model: str, asked: tuple[int, int, int], rendered: tuple[int, int, int]
) -> None:
    entry = entry_of(model, SHIPPED[model], Path("/models"))
    width, height, frames = asked
    assert plan(entry, request(model, width=width, height=height, frames=frames)) == Envelope(*rendered)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("T2V-A14B", {"width": 853}),
        ("T2V-A14B", {"width": 4096, "height": 2160}),
        ("T2V-A14B", {"frames": 1000}),
        ("T2V-A14B", {"image_path": "/x.png"}),
        ("I2V-A14B", {}),
    ],
)
def test_what_a_model_cannot_render_is_refused(model: str, fields: dict[str, Any]) -> None:
    entry = entry_of(model, SHIPPED[model], Path("/models"))
    with pytest.raises(RequestError):
        plan(entry, request(model, **fields))
