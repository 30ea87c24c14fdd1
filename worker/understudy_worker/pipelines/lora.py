"""LoRAs of one job: found below one directory, safetensors alone, taken off again after the render."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from understudy_worker.errors import LoraUnsupported, RequestError
from understudy_worker.pipelines.registry import ModelEntry
from understudy_worker.surface import Lora, RenderRequest

STRONGEST = 4.0


def asked(request: RenderRequest) -> tuple[Lora, ...]:
    first = () if request.lora_path is None else (Lora(request.lora_path, request.lora_strength),)
    return (*first, *request.loras)


def check(request: RenderRequest, entry: ModelEntry, directory: Path | None) -> None:
    """Raises LoraUnsupported or RequestError; opens no more than a file's header."""
    for lora in asked(request):
        if directory is None:
            raise LoraUnsupported("this worker was given no directory of LoRAs")
        if importlib.util.find_spec("peft") is None:
            raise LoraUnsupported("the Python package peft is not installed")
        if entry.expert_count == 1 and lora.expert == "low":
            raise LoraUnsupported(f"{entry.model} has one expert, and the LoRA is for the low-noise one")
        if abs(lora.strength) > STRONGEST:
            raise RequestError(f"a LoRA's strength lies between -{STRONGEST:g} and {STRONGEST:g}")
        _readable(_path_of(lora, directory))


def _path_of(lora: Lora, directory: Path) -> Path:
    path = (directory / lora.name).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise RequestError("a LoRA's name must be a path below the directory of LoRAs")
    if path.suffix.lower() != ".safetensors":
        raise LoraUnsupported("only .safetensors files are loaded: other formats run code when they are opened")
    if not path.is_file():
        raise RequestError(f"there is no LoRA {lora.name}")
    return path


def _readable(path: Path) -> None:
    try:
        with safe_open(path, framework="pt") as file:
            if len(list(file.keys())) == 0:
                raise LoraUnsupported(f"{path.name} holds no weights")
    except SafetensorError as cause:
        raise LoraUnsupported(f"{path.name} is not a whole safetensors file") from cause


@contextmanager
def loras_of(pipe: Any, request: RenderRequest, directory: Path | None) -> Iterator[None]:
    """The pipeline with the request's LoRAs; afterwards the weights are the model's own again, bit for bit."""
    wanted = asked(request)
    if not wanted or directory is None:
        yield
        return
    if not hasattr(pipe, "load_lora_weights"):
        raise LoraUnsupported(f"{type(pipe).__name__} takes no LoRA")
    try:
        for index, lora in enumerate(wanted):
            _put_on(pipe, lora, _path_of(lora, directory), f"lora_{index}")
        for part in _parts(pipe).values():
            present = [f"lora_{index}" for index in range(len(wanted)) if f"lora_{index}" in _adapters(part)]
            if present:
                part.set_adapters(present, [wanted[int(name.removeprefix("lora_"))].strength for name in present])
        yield
    finally:
        pipe.unload_lora_weights()


def _parts(pipe: Any) -> dict[str, Any]:
    parts = {"high": getattr(pipe, "transformer", None), "low": getattr(pipe, "transformer_2", None)}
    return {expert: part for expert, part in parts.items() if part is not None}


def _adapters(part: Any) -> dict[str, Any]:
    return getattr(part, "peft_config", {})


def _put_on(pipe: Any, lora: Lora, path: Path, name: str) -> None:
    for expert, part in _parts(pipe).items():
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
            # diffusers logs this and goes on without it.
            raise LoraUnsupported(f"{lora.name} has no weights for this model")
