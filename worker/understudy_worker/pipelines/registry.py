"""Which models there are and what each can do: a JSON file, checked field by field before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

from understudy_worker.errors import ConfigurationError
from understudy_worker.pipelines.kinds import KINDS
from understudy_worker.surface import LOAD_PROFILES

ImageRule = Literal["none", "optional", "required"]
DTYPES = ("float32", "bfloat16", "float16")
DEFAULT_REGISTRY = Path(__file__).with_name("models.json")


@dataclass(frozen=True)
class ModelEntry:
    """One model. Nothing in it is guessed from its name."""

    model: str
    pipeline: str
    """Name of a class in `kinds.KINDS`."""
    folder: Path
    """A diffusers folder; relative ones lie below the models' directory."""
    size_step: int
    """Width and height are multiples of it."""
    frame_step: int
    """Frame counts are one more than a multiple of it."""
    most_frames: int
    largest_pixels: int
    """Width × height at most."""
    frames_per_second: float
    guidance_scale: float
    guidance_scale_2: float | None = None
    """Of the low-noise expert."""
    boundary_ratio: float | None = None
    """Share of the noise below which the second expert takes over; it must be the files' own."""
    flow_shift: float | None = None
    """Replaces the shift that the files name."""
    image: ImageRule = "none"
    negative_prompt: str = ""
    max_sequence_length: int = 512
    dtype: str = "bfloat16"
    vae_dtype: str = "float32"
    profiles: tuple[str, ...] = ("full", "model-offload", "tiling", "group-offload")
    lean_attention: str | None = None
    """An attention backend for `apply_vram_optimization`; null keeps PyTorch's own, which is lean already."""

    @property
    def expert_count(self) -> int:
        return 1 if self.boundary_ratio is None else 2


def read_registry(path: Path, models_dir: Path) -> dict[str, ModelEntry]:
    """Raises ConfigurationError with the model and the field that are wrong."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise ConfigurationError(f"The list of models {path} cannot be read: {cause}") from cause
    if not isinstance(listed, dict) or not listed:
        raise ConfigurationError(f"The list of models {path} must be an object with at least one model.")
    return {model: entry_of(model, given, models_dir) for model, given in listed.items()}


def entry_of(model: str, given: Any, models_dir: Path) -> ModelEntry:
    if not isinstance(given, dict):
        raise ConfigurationError(f"Model {model}: expected an object.")
    known = {field.name: field for field in fields(ModelEntry) if field.name != "model"}
    for name in given:
        if name not in known:
            raise ConfigurationError(f"Model {model}: there is no field {name}.")
    for name, field in known.items():
        if name not in given and field.default is MISSING:
            raise ConfigurationError(f"Model {model}: the field {name} is missing.")
    values = {name: _checked(model, name, value) for name, value in given.items()}
    values["folder"] = models_dir / cast(str, values["folder"])
    entry = ModelEntry(model=model, **values)
    _check_whole(entry)
    return entry


def _checked(model: str, name: str, value: Any) -> Any:
    rule, is_fine = _RULES[name]
    if not is_fine(value):
        raise ConfigurationError(f"Model {model}: {name} must be {rule}.")
    return tuple(value) if isinstance(value, list) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_share(value: Any) -> bool:
    return value is None or (_is_number(value) and 0 < value < 1)


def _is_list_of(words: tuple[str, ...], value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(word in words for word in value)


_RULES: Mapping[str, tuple[str, Any]] = {
    "pipeline": (f"one of {', '.join(KINDS)}", lambda value: value in KINDS),
    "folder": ("a path", lambda value: _is_text(value) and value != ""),
    "size_step": ("a whole number above 0", _is_whole),
    "frame_step": ("a whole number above 0", _is_whole),
    "most_frames": ("a whole number above 0", _is_whole),
    "largest_pixels": ("a whole number above 0", _is_whole),
    "frames_per_second": ("a number above 0", lambda value: _is_number(value) and value > 0),
    "guidance_scale": ("a number of at least 1", lambda value: _is_number(value) and value >= 1),
    "guidance_scale_2": (
        "a number of at least 1, or null",
        lambda value: value is None or (_is_number(value) and value >= 1),
    ),
    "boundary_ratio": ("a number between 0 and 1, or null", _is_share),
    "flow_shift": ("a number above 0, or null", lambda value: value is None or (_is_number(value) and value > 0)),
    "image": ("none, optional or required", lambda value: value in ("none", "optional", "required")),
    "negative_prompt": ("a text", _is_text),
    "max_sequence_length": ("a whole number above 0", _is_whole),
    "dtype": (f"one of {', '.join(DTYPES)}", lambda value: value in DTYPES),
    "vae_dtype": (f"one of {', '.join(DTYPES)}", lambda value: value in DTYPES),
    "profiles": (f"a list of {', '.join(LOAD_PROFILES)}", lambda value: _is_list_of(LOAD_PROFILES, value)),
    "lean_attention": ("a text, or null", lambda value: value is None or _is_text(value)),
}


def _check_whole(entry: ModelEntry) -> None:
    """What no field shows alone; diffusers would refuse it late, or change the render without a word."""
    if entry.guidance_scale_2 is not None and entry.boundary_ratio is None:
        raise ConfigurationError(f"Model {entry.model}: guidance_scale_2 needs a boundary_ratio.")
    if entry.boundary_ratio is not None and not KINDS[entry.pipeline].has_experts:
        raise ConfigurationError(f"Model {entry.model}: {entry.pipeline} has one expert and no boundary_ratio.")
    if entry.image != "none" and KINDS[entry.pipeline].image_class is None:
        raise ConfigurationError(f"Model {entry.model}: {entry.pipeline} takes no picture.")
