"""The list of models: which lists are refused, and which sizes a listed model renders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from understudy_worker.api import RenderRequest
from understudy_worker.errors import ConfigurationError, RequestError
from understudy_worker.pipelines.registry import ModelEntry, check_pipelines, entry_of, read_registry
from understudy_worker.pipelines.render_size import RenderSize, render_size

COMMON: dict[str, Any] = {
    "pipeline": "WanPipeline",
    "folder": "wan",
    "size_step": 16,
    "frame_step": 4,
    "most_frames": 257,
    "largest_pixels": 1920 * 1088,
    "frames_per_second": 16,
    "guidance_scale": 4.0,
}
LISTED: dict[str, dict[str, Any]] = {
    "T2V-A14B": {**COMMON, "guidance_scale_2": 3.0, "boundary_ratio": 0.875, "flow_shift": 12.0},
    "I2V-A14B": {**COMMON, "pipeline": "WanImageToVideoPipeline", "image": "required"},
    "TI2V-5B": {**COMMON, "size_step": 32, "image": "optional", "image_pipeline": "WanImageToVideoPipeline"},
    "even": {**COMMON, "frame_step": 8, "frame_offset": 0},
}


def listed(model: str, **change: Any) -> ModelEntry:
    return entry_of(model, {**LISTED[model], **change}, Path("/models"))


def request(model: str, **fields: Any) -> RenderRequest:
    given: dict[str, Any] = {"width": 854, "height": 480, "frames": 81, "frames_per_second": 16.0, "steps": 40}
    return RenderRequest(**{"model": model, "prompt": "a fox", "seed": 1, **given, **fields})


def test_a_list_is_read_and_relative_folders_lie_below_the_models_directory(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(json.dumps(LISTED), encoding="utf-8")
    registry = read_registry(tmp_path / "models.json", Path("/models"))
    assert {name: entry.expert_count for name, entry in registry.items()} == {
        "T2V-A14B": 2,
        "I2V-A14B": 1,
        "TI2V-5B": 1,
        "even": 1,
    }
    assert registry["T2V-A14B"].folder == Path("/models/wan")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pipeline", ""),
        ("image_pipeline", 1),
        ("arguments", {"a": [1]}),
        ("frame_offset", -1),
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
        listed("T2V-A14B", **{field: value})


@pytest.mark.parametrize("field", ["pipeline", "image_pipeline"])
@pytest.mark.parametrize("name", ["AutoencoderKLWan", "NoSuchPipeline", "object"])
def test_a_class_that_is_no_pipeline_of_diffusers_is_refused(field: str, name: str) -> None:
    check_pipelines({"TI2V-5B": listed("TI2V-5B")})
    with pytest.raises(
        ConfigurationError, match=rf"TI2V-5B: {field} must be a pipeline class of diffusers .*, not {name}"
    ):
        check_pipelines({"TI2V-5B": listed("TI2V-5B", **{field: name})})


def test_a_missing_field_is_refused() -> None:
    given = {name: value for name, value in LISTED["T2V-A14B"].items() if name != "folder"}
    with pytest.raises(ConfigurationError, match="folder is missing"):
        entry_of("T2V-A14B", given, Path("/models"))


@pytest.mark.parametrize(
    "change",
    [
        {"boundary_ratio": None},
        {"image": "optional"},
        {"image_pipeline": "WanImageToVideoPipeline"},
    ],
)
def test_fields_that_do_not_go_together_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        listed("T2V-A14B", **change)


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
        ("even", (1280, 704, 9), (1280, 704, 16)),
    ],
)
def test_what_is_asked_is_rendered_at_the_next_legal_size_and_count(
    model: str, asked: tuple[int, int, int], rendered: tuple[int, int, int]
) -> None:
    entry = listed(model)
    width, height, frames = asked
    assert render_size(entry, request(model, width=width, height=height, frames=frames)) == RenderSize(*rendered)


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
    entry = listed(model)
    with pytest.raises(RequestError):
        render_size(entry, request(model, **fields))
