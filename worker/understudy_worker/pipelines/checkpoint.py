"""What a render needs to go on in another process: one file, hashed, fsynced, put in place whole or not at all."""

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
    fingerprint: str
    """Of everything that decides what is rendered: a checkpoint of another render is none."""
    step: int
    """Denoise steps that are done."""
    is_final: bool
    """The latents are what the VAE decodes: only that is left."""
    latents: torch.Tensor
    beside: dict[str, Any]
    """The scheduler's state; of final latents the further arguments of the decode."""
    placed: dict[str, str]
    """Profile and attention backend: on a card the bits are the same under the same ones only."""


class CorruptCheckpoint(Exception):
    """The file is not what was written; it is never used."""


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    tensors: dict[str, torch.Tensor] = {"latents": _kept(checkpoint.latents)}
    meta = {
        "version": VERSION,
        "fingerprint": checkpoint.fingerprint,
        "step": checkpoint.step,
        "is_final": checkpoint.is_final,
        "placed": checkpoint.placed,
        "beside": {name: _flat(value, name, tensors) for name, value in checkpoint.beside.items()},
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
    """None when there is none of this very render. Raises CorruptCheckpoint."""
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
        beside={name: _deep(value, tensors) for name, value in meta["beside"].items()},
        placed=meta["placed"],
    )


def _meta_of(body: bytes) -> dict[str, Any]:
    """The metadata of a safetensors file: 8 bytes of length, then JSON. Whole, since the hash has matched."""
    length = int.from_bytes(body[:8], "little")
    meta: dict[str, Any] = json.loads(json.loads(body[8 : 8 + length])["__metadata__"]["meta"])
    return meta


def _kept(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu").contiguous().clone()


def _flat(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The value as JSON, with its tensors beside it."""
    if isinstance(value, torch.Tensor):
        tensors[name] = _kept(value)
        return {"tensor": name}
    if isinstance(value, list):
        return [_flat(inner, f"{name}.{index}", tensors) for index, inner in enumerate(value)]
    if value is None or isinstance(value, int | float | str):
        return value
    raise TypeError(f"{name} cannot be kept in a checkpoint: {type(value).__name__}")


def _deep(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        return tensors[value["tensor"]]
    return [_deep(inner, tensors) for inner in value] if isinstance(value, list) else value
