"""What a render leaves behind on the device, and how it is dropped."""

from __future__ import annotations

import gc
from typing import Any

import torch


def drop_leftovers(pipe: Any) -> list[str]:
    """
    Drops what a render, above all one that failed, has left: moved weights, the VAE's causal cache (a decode that
    failed keeps it), garbage, the allocator's cache. Answers which there were. Raises on a context that is lost.
    """
    dropped = []
    if getattr(pipe, "_all_hooks", None):
        pipe.maybe_free_model_hooks()
    if _has_cache(pipe.vae):
        pipe.vae.clear_cache()
        dropped.append("vae.clear_cache")
    is_cuda = torch.cuda.is_available()
    before = (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) if is_cuda else (0, 0)
    gc.collect()
    if not is_cuda:
        return dropped
    if torch.cuda.memory_allocated() < before[0]:
        dropped.append("gc.collect")
    torch.cuda.empty_cache()
    if torch.cuda.memory_reserved() < before[1]:
        dropped.append("empty_cache")
    return dropped


def _has_cache(vae: Any) -> bool:
    """Wan's VAE keeps features of former frames per convolution; only tensors take memory."""
    caches = (*getattr(vae, "_feat_map", ()), *getattr(vae, "_enc_feat_map", ()))
    return hasattr(vae, "clear_cache") and any(isinstance(kept, torch.Tensor) for kept in caches)
