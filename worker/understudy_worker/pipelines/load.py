"""
Loads a pipeline from a diffusers folder into the host's memory.

Only safetensors are read, nothing comes from the network, and no code of the folder runs.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch

from understudy_worker.errors import ModelFilesError
from understudy_worker.pipelines.call_arguments import check_signature
from understudy_worker.pipelines.registry import ModelEntry

PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_LOADED_ONE_BY_ONE = ("vae", "transformer", "transformer_2")
"""The large components. They are loaded separately, so that the load can report how far it is."""


def read_index(folder: Path) -> dict[str, Any]:
    """The folder's table of components. Raises ModelFilesError, with diffusers' own words for a missing file."""
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as cause:
        raise ModelFilesError(f"Error no file named model_index.json found in directory {folder}.") from cause
    except ValueError as cause:
        raise ModelFilesError(f"{path} is not JSON: {cause}") from cause
    if not isinstance(index, dict):
        raise ModelFilesError(f"{path} is not an object")
    return index


def components_of(index: dict[str, Any]) -> list[str]:
    """Names of the components that the model has; the index lists optional ones that it lacks as null."""
    return [name for name, value in index.items() if isinstance(value, list) and value and value[0] is not None]


def refuse_pickles(folder: Path, index: dict[str, Any]) -> None:
    """Raises ModelFilesError for weights as pickle, before any file is opened: a pickle runs code when it is read."""
    for name in components_of(index):
        files = [path for path in (folder / name).glob("*") if path.is_file()]
        has_safetensors = any(path.suffix == ".safetensors" for path in files)
        pickles = [path.name for path in files if path.suffix.lower() in PICKLE_SUFFIXES]
        if pickles and not has_safetensors:
            raise ModelFilesError(f"{name} has its weights as pickle ({pickles[0]}); only safetensors are loaded")


def load_pipeline(entry: ModelEntry, on_ratio: Callable[[float], None]) -> Any:
    """The pipeline on the host, checked against the list of models. Raises ModelFilesError, or diffusers' own."""
    index = read_index(entry.folder)
    refuse_pickles(entry.folder, index)
    _check_class(entry, index)
    on_ratio(0.0)
    parts = [name for name in _LOADED_ONE_BY_ONE if name in components_of(index)]
    loaded: dict[str, Any] = {}
    sizes = {name: _bytes_below(entry.folder / name) for name in components_of(index)}
    whole = max(1, sum(sizes.values()))
    for name in parts:
        kind = getattr(diffusers, index[name][1])
        dtype = _DTYPES[entry.vae_dtype if name == "vae" else entry.dtype]
        loaded[name] = kind.from_pretrained(
            entry.folder, subfolder=name, dtype=dtype, use_safetensors=True, local_files_only=True
        )
        on_ratio(0.95 * sum(sizes[done] for done in loaded) / whole)
    pipe = getattr(diffusers, entry.pipeline).from_pretrained(
        entry.folder,
        dtype=_DTYPES[entry.dtype],
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        **loaded,
    )
    pipe.set_progress_bar_config(disable=True)
    _check_boundary(entry, pipe)
    check_signature(pipe, entry)
    _set_flow_shift(pipe, entry)
    on_ratio(0.95)
    return pipe


def as_image_pipeline(pipe: Any, image_class: str) -> Any:
    """The same components and settings in the pipeline class that begins from an image; no weights are copied."""
    kind = getattr(diffusers, image_class)
    known = {**dict(pipe.config), **pipe.components}
    wanted = inspect.signature(kind.__init__).parameters
    made = kind(**{name: known[name] for name in wanted if name in known and name != "self"})
    made.set_progress_bar_config(disable=True)
    return made


def weight_bytes(pipe: Any) -> int:
    """Size of all weights and buffers; a tensor that two components share counts once."""
    modules = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    tensors = {id(tensor): tensor for module in modules for tensor in (*module.parameters(), *module.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _check_class(entry: ModelEntry, index: dict[str, Any]) -> None:
    found = index.get("_class_name")
    if found != entry.pipeline:
        raise ModelFilesError(f"{entry.folder.name} holds a {found}, and the list of models says {entry.pipeline}")


def _check_boundary(entry: ModelEntry, pipe: Any) -> None:
    found = getattr(pipe.config, "boundary_ratio", None)
    if found != entry.boundary_ratio:
        raise ModelFilesError(
            f"{entry.folder.name} hands over at {found}, and the list of models says {entry.boundary_ratio}"
        )


def _set_flow_shift(pipe: Any, entry: ModelEntry) -> None:
    if entry.flow_shift is None:
        return
    config = pipe.scheduler.config
    name = next((name for name in ("flow_shift", "shift") if name in config), None)
    if name is None:
        raise ModelFilesError(f"{type(pipe.scheduler).__name__} has no shift, and the list of models names one")
    pipe.scheduler = type(pipe.scheduler).from_config(config, **{name: entry.flow_shift})


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
