"""Frees the memory that a render has left on the device, above all one that failed."""

from __future__ import annotations

import gc
from typing import Any

import torch


def free_leftovers(pipe: Any) -> list[str]:
    """
    Offloads weights that were moved to the device, clears the VAE's causal cache (a decode that failed keeps it),
    collects garbage and empties the allocator's cache. Returns what has really freed something. Raises RuntimeError on
    a lost context.
    """
    freed = []
    if getattr(pipe, "_all_hooks", None):
        pipe.maybe_free_model_hooks()
    if _has_cache(pipe.vae):
        pipe.vae.clear_cache()
        freed.append("vae.clear_cache")
    is_cuda = torch.cuda.is_available()
    before = (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) if is_cuda else (0, 0)
    gc.collect()
    if not is_cuda:
        return freed
    if torch.cuda.memory_allocated() < before[0]:
        freed.append("gc.collect")
    torch.cuda.empty_cache()
    if torch.cuda.memory_reserved() < before[1]:
        freed.append("empty_cache")
    return freed


def _has_cache(vae: Any) -> bool:
    """Whether Wan's VAE still holds features of earlier frames. Only the entries that are tensors take memory."""
    caches = (*getattr(vae, "_feat_map", ()), *getattr(vae, "_enc_feat_map", ()))
    return hasattr(vae, "clear_cache") and any(isinstance(kept, torch.Tensor) for kept in caches)
