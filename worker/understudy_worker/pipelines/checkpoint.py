"""
The checkpoint file: what another process needs to continue a render.

The file begins with its own hash, is synced to disk and then renamed into place. So a process that dies while writing
leaves the checkpoint before, and a damaged file is recognised.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as tensors_from
from safetensors.torch import save as bytes_of

from understudy_worker.mux import sync

FILE_NAME = "denoise.checkpoint"
VERSION = 2
_DIGEST_BYTES = 64


@dataclass(frozen=True)
class Checkpoint:
    """A render after one of its steps."""

    fingerprint: str
    """Hash of everything that decides what is rendered. Only a render with the same one may continue from here."""
    step: int
    """Count of denoise steps that are done."""
    is_final: bool
    """Whether denoising is complete, so that only decode and mux are left."""
    latents: torch.Tensor
    extras: dict[str, Any]
    """State of scheduler and noise; with final latents the further arguments of the decode."""
    placement: dict[str, str]
    """How the model was placed. On a card the bits of a resumed render are the same under the same placement only."""


class CorruptCheckpoint(Exception):
    """The file is not what was written. It is never used, not even in part."""


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    """Replaces the checkpoint in the folder. Raises OSError; then the checkpoint before it still stands."""
    tensors: dict[str, torch.Tensor] = {"latents": _to_host(checkpoint.latents)}
    meta = {
        "version": VERSION,
        "fingerprint": checkpoint.fingerprint,
        "step": checkpoint.step,
        "is_final": checkpoint.is_final,
        "placed": checkpoint.placement,
        "beside": {name: _to_json(value, name, tensors) for name, value in checkpoint.extras.items()},
    }
    body = bytes_of(tensors, metadata={"meta": json.dumps(meta)})
    path = directory / FILE_NAME
    part = path.with_suffix(".new")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(hashlib.sha256(body).hexdigest().encode())
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    sync(directory)


def read_checkpoint(directory: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint of this very render, or None. Raises CorruptCheckpoint for a file that is damaged."""
    try:
        content = (directory / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return None
    digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise CorruptCheckpoint(f"{FILE_NAME} does not match its hash")
    meta = _meta_of(body)
    if meta["version"] != VERSION or meta["fingerprint"] != fingerprint:
        return None
    tensors = tensors_from(body)
    return Checkpoint(
        fingerprint=fingerprint,
        step=meta["step"],
        is_final=meta["is_final"],
        latents=tensors["latents"],
        extras={name: _from_json(value, tensors) for name, value in meta["beside"].items()},
        placement=meta["placed"],
    )


def _meta_of(body: bytes) -> dict[str, Any]:
    """
    The metadata of a safetensors file, which begins with 8 bytes of length and a JSON header. Nothing is checked here:
    the hash has matched, so the file is what `write_checkpoint` wrote.
    """
    length = int.from_bytes(body[:8], "little")
    meta: dict[str, Any] = json.loads(json.loads(body[8 : 8 + length])["__metadata__"]["meta"])
    return meta


def _to_host(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu").contiguous().clone()


def _to_json(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The value as JSON. Its tensors are moved into `tensors`, and a reference takes the place of each."""
    if isinstance(value, torch.Tensor):
        tensors[name] = _to_host(value)
        return {"tensor": name}
    if isinstance(value, list):
        return [_to_json(inner, f"{name}.{index}", tensors) for index, inner in enumerate(value)]
    if value is None or isinstance(value, int | float | str):
        return value
    raise TypeError(f"{name} cannot be kept in a checkpoint: {type(value).__name__}")


def _from_json(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The reverse of `_to_json`: every object in the JSON is a reference to a tensor."""
    if isinstance(value, dict):
        return tensors[value["tensor"]]
    return [_from_json(inner, tensors) for inner in value] if isinstance(value, list) else value
