"""
Reads the list of models: which models there are and what each can do.

The service writes it as a JSON file. It is checked field by field before anything is loaded, and nothing about a model
is programmed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast

from understudy_worker.api import LOAD_PROFILES
from understudy_worker.errors import ConfigurationError

ImageRule = Literal["none", "optional", "required"]
DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class ModelEntry:
    """One model. Its fields enter the fingerprint of every checkpoint, by their names too."""

    model: str
    pipeline: str
    """Name of a pipeline class in diffusers."""
    folder: Path
    """A diffusers folder. A relative path lies below the models' directory."""
    size_step: int
    """Width and height are multiples of it."""
    frame_step: int
    """Frame counts are `frame_offset` more than a multiple of it."""
    most_frames: int
    largest_pixels: int
    """Width × height at most."""
    frames_per_second: float
    guidance_scale: float
    frame_offset: int = 1
    guidance_scale_2: float | None = None
    """Guidance of the low-noise expert."""
    boundary_ratio: float | None = None
    """Noise level (0 to 1) below which the second expert takes over. It must be the one that the files name."""
    flow_shift: float | None = None
    """Replaces the scheduler's shift that the files name."""
    image: ImageRule = "none"
    image_pipeline: str | None = None
    """Where an image is optional, the pipeline class that begins from one with the same components."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the pipeline's call, by their names."""
    negative_prompt: str = ""
    max_sequence_length: int = 512
    dtype: str = "bfloat16"
    vae_dtype: str = "float32"
    profiles: tuple[str, ...] = ("full", "model-offload", "tiling", "group-offload")
    lean_attention: str | None = None
    """The attention backend of `apply_vram_optimization`. Without one PyTorch's own stays: it needs little."""

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


def check_pipelines(registry: Mapping[str, ModelEntry]) -> None:
    """
    Raises ConfigurationError for a pipeline class that diffusers does not have. It is separate from `read_registry`
    because it imports diffusers, which takes seconds.
    """
    import diffusers  # noqa: PLC0415

    def is_pipeline(name: str) -> bool:
        found = getattr(diffusers, name, None)
        return isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)

    for entry in registry.values():
        for name, wanted in (("pipeline", entry.pipeline), ("image_pipeline", entry.image_pipeline)):
            if wanted is not None and not is_pipeline(wanted):
                raise ConfigurationError(
                    f"Model {entry.model}: {name} must be a pipeline class of diffusers {diffusers.__version__},"
                    f" not {wanted}."
                )


def entry_of(model: str, given: Any, models_dir: Path) -> ModelEntry:
    """Raises ConfigurationError for an unknown, a missing or a wrong field."""
    if not isinstance(given, dict):
        raise ConfigurationError(f"Model {model}: expected an object.")
    known = {one.name: one for one in fields(ModelEntry) if one.name != "model"}
    for name in given:
        if name not in known:
            raise ConfigurationError(f"Model {model}: there is no field {name}.")
    for name, one in known.items():
        if name not in given and one.default is MISSING and one.default_factory is MISSING:
            raise ConfigurationError(f"Model {model}: the field {name} is missing.")
    values = {name: _checked(model, name, value) for name, value in given.items()}
    values["folder"] = models_dir / cast(str, values["folder"])
    entry = ModelEntry(model=model, **values)
    _check_combinations(entry)
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


def _is_name(value: Any) -> bool:
    return _is_text(value) and value != ""


def _is_ratio(value: Any) -> bool:
    return value is None or (_is_number(value) and 0 < value < 1)


def _is_arguments(value: Any) -> bool:
    return isinstance(value, dict) and all(
        argument is None or isinstance(argument, str | int | float) for argument in value.values()
    )


def _is_list_of(words: tuple[str, ...], value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(word in words for word in value)


_RULES: Mapping[str, tuple[str, Any]] = {
    "pipeline": ("the name of a pipeline class of diffusers", _is_name),
    "folder": ("a path", _is_name),
    "size_step": ("a whole number above 0", _is_whole),
    "frame_step": ("a whole number above 0", _is_whole),
    "frame_offset": ("a whole number", lambda value: _is_whole(value) or (value == 0 and not isinstance(value, bool))),
    "most_frames": ("a whole number above 0", _is_whole),
    "largest_pixels": ("a whole number above 0", _is_whole),
    "frames_per_second": ("a number above 0", lambda value: _is_number(value) and value > 0),
    "guidance_scale": ("a number of at least 1", lambda value: _is_number(value) and value >= 1),
    "guidance_scale_2": (
        "a number of at least 1, or null",
        lambda value: value is None or (_is_number(value) and value >= 1),
    ),
    "boundary_ratio": ("a number between 0 and 1, or null", _is_ratio),
    "flow_shift": ("a number above 0, or null", lambda value: value is None or (_is_number(value) and value > 0)),
    "image": ("none, optional or required", lambda value: value in ("none", "optional", "required")),
    "image_pipeline": (
        "the name of a pipeline class of diffusers, or null",
        lambda value: value is None or _is_name(value),
    ),
    "arguments": ("an object of texts and numbers", _is_arguments),
    "negative_prompt": ("a text", _is_text),
    "max_sequence_length": ("a whole number above 0", _is_whole),
    "dtype": (f"one of {', '.join(DTYPES)}", lambda value: value in DTYPES),
    "vae_dtype": (f"one of {', '.join(DTYPES)}", lambda value: value in DTYPES),
    "profiles": (f"a list of {', '.join(LOAD_PROFILES)}", lambda value: _is_list_of(LOAD_PROFILES, value)),
    "lean_attention": ("a text, or null", lambda value: value is None or _is_text(value)),
}


def _check_combinations(entry: ModelEntry) -> None:
    """
    Raises ConfigurationError for fields that contradict each other: diffusers would refuse them late, or change the
    render without a word.
    """
    if entry.guidance_scale_2 is not None and entry.boundary_ratio is None:
        raise ConfigurationError(f"Model {entry.model}: guidance_scale_2 needs a boundary_ratio.")
    if (entry.image == "optional") != (entry.image_pipeline is not None):
        raise ConfigurationError(f"Model {entry.model}: image_pipeline goes with an optional image.")
