"""
Applies the LoRAs of one job and removes them after its render.

They are found below one directory and must be safetensors: other formats run code when they are opened.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from understudy_worker.api import Lora, RenderRequest
from understudy_worker.errors import LoraUnsupported, RequestError
from understudy_worker.pipelines.registry import ModelEntry

MAX_STRENGTH = 4.0


def requested_loras(request: RenderRequest) -> tuple[Lora, ...]:
    """All LoRAs of a request, which names the first one in fields of its own."""
    first = () if request.lora_path is None else (Lora(request.lora_path, request.lora_strength),)
    return (*first, *request.loras)


def check(request: RenderRequest, entry: ModelEntry, directory: Path | None) -> None:
    """
    Raises LoraUnsupported or RequestError for a LoRA that cannot be applied. Reads no more than the file's header, so
    that it may run before a job is accepted.
    """
    for lora in requested_loras(request):
        if directory is None:
            raise LoraUnsupported("this worker was given no directory of LoRAs")
        if importlib.util.find_spec("peft") is None:
            raise LoraUnsupported("the Python package peft is not installed")
        if entry.expert_count == 1 and lora.expert == "low":
            raise LoraUnsupported(f"{entry.model} has one expert, and the LoRA is for the low-noise one")
        if abs(lora.strength) > MAX_STRENGTH:
            raise RequestError(f"a LoRA's strength lies between -{MAX_STRENGTH:g} and {MAX_STRENGTH:g}")
        _check_readable(_path_of(lora, directory))


def _path_of(lora: Lora, directory: Path) -> Path:
    path = (directory / lora.name).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise RequestError("a LoRA's name must be a path below the directory of LoRAs")
    if path.suffix.lower() != ".safetensors":
        raise LoraUnsupported("only .safetensors files are loaded: other formats run code when they are opened")
    if not path.is_file():
        raise RequestError(f"there is no LoRA {lora.name}")
    return path


def _check_readable(path: Path) -> None:
    try:
        with safe_open(path, framework="pt") as file:
            if len(list(file.keys())) == 0:
                raise LoraUnsupported(f"{path.name} holds no weights")
    except SafetensorError as cause:
        raise LoraUnsupported(f"{path.name} is not a whole safetensors file") from cause


@contextmanager
def applied_loras(pipe: Any, request: RenderRequest, directory: Path | None) -> Iterator[None]:
    """
    While it is open, the pipeline renders with the request's LoRAs. Afterwards the weights are the model's own again,
    bit for bit. Raises LoraUnsupported for a LoRA that does not fit the model.
    """
    loras = requested_loras(request)
    if not loras or directory is None:
        yield
        return
    if not hasattr(pipe, "load_lora_weights"):
        raise LoraUnsupported(f"{type(pipe).__name__} takes no LoRA")
    try:
        for index, lora in enumerate(loras):
            _load_adapter(pipe, lora, _path_of(lora, directory), f"lora_{index}")
        for part in _experts_of(pipe).values():
            present = [f"lora_{index}" for index in range(len(loras)) if f"lora_{index}" in _adapters(part)]
            if present:
                part.set_adapters(present, [loras[int(name.removeprefix("lora_"))].strength for name in present])
        yield
    finally:
        pipe.unload_lora_weights()


def _experts_of(pipe: Any) -> dict[str, Any]:
    parts = {"high": getattr(pipe, "transformer", None), "low": getattr(pipe, "transformer_2", None)}
    return {expert: part for expert, part in parts.items() if part is not None}


def _adapters(part: Any) -> dict[str, Any]:
    return getattr(part, "peft_config", {})


def _load_adapter(pipe: Any, lora: Lora, path: Path, name: str) -> None:
    for expert, part in _experts_of(pipe).items():
        if lora.expert not in ("both", expert):
            continue
        second = {"load_into_transformer_2": True} if expert == "low" else {}
        try:
            pipe.load_lora_weights(
                str(path.parent), weight_name=path.name, adapter_name=name, use_safetensors=True, **second
            )
        except (ValueError, RuntimeError, KeyError) as cause:
            raise LoraUnsupported(f"{lora.name} does not fit this model") from cause
        if name not in _adapters(part):
            # diffusers only logs this, and would render without the LoRA.
            raise LoraUnsupported(f"{lora.name} has no weights for this model")
