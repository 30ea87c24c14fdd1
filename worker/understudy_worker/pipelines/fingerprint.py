"""
Hashes everything that decides the bits of a render: request, weights, LoRAs, scheduler, versions of the libraries.

A checkpoint carries this hash, so that a render never continues from the latents of another one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from understudy_worker.api import RenderRequest
from understudy_worker.pipelines.lora import requested_loras
from understudy_worker.pipelines.registry import ModelEntry

MODEL_FILE_SUFFIXES = frozenset((".safetensors", ".json", ".txt", ".model"))
"""Files with other suffixes do not change what a pipeline renders."""


def files_of(folder: Path) -> list[tuple[str, str]]:
    """Every model file with a mark of its content. The files are not read: hashing 60 GB would take minutes."""
    return sorted(
        (str(path.relative_to(folder)), _content_mark(path))
        for path in folder.rglob("*")
        if path.suffix in MODEL_FILE_SUFFIXES
    )


def _content_mark(path: Path) -> str:
    """The hash by which the Hugging Face cache names its blobs; elsewhere size and time of change."""
    target = path.resolve()
    if path.is_symlink() and target.parent.name == "blobs":
        return target.name
    facts = target.stat()
    return f"{facts.st_size} {facts.st_mtime_ns}"


def fingerprint_of(entry: ModelEntry, request: RenderRequest, pipe: Any, lora_dir: Path | None) -> str:
    loras = [
        (asdict(lora), None if lora_dir is None else _digest(lora_dir / lora.name)) for lora in requested_loras(request)
    ]
    parts = {
        "request": {**asdict(request), "image_path": None, "loras": loras},
        "image": None if request.image_path is None else _digest(Path(request.image_path)),
        "entry": {**asdict(entry), "folder": None, "profiles": None},
        "files": files_of(entry.folder),
        "scheduler": (
            type(pipe.scheduler).__name__,
            {name: repr(value) for name, value in pipe.scheduler.config.items()},
        ),
        "versions": [module.__version__ for module in (diffusers, torch, transformers)],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1024 * 1024):
            digest.update(chunk)
    return digest.hexdigest()
