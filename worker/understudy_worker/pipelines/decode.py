"""
Decodes latents to the frames of a video.

A decode that runs out of memory is repeated in tiles, which take less. That costs seconds, where a new attempt would
cost the whole denoising.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from understudy_worker.errors import BadOutputError
from understudy_worker.mux import Frame
from understudy_worker.pipelines.cleanup import free_leftovers
from understudy_worker.pipelines.latents import Latents
from understudy_worker.pipelines.placement import is_tiled, set_tiling


def decode(pipe: Any, latents: Latents, log: Callable[[str], None]) -> torch.Tensor:
    """The video on the host: 1 × 3 × frames × height × width, from -1 to 1. Raises BadOutputError for NaN."""
    shortage = None
    try:
        video = _decode_once(pipe, latents)
    except torch.OutOfMemoryError as thrown:
        if is_tiled(pipe) or not hasattr(pipe.vae, "enable_tiling"):
            raise
        shortage = str(thrown).split(". ")[0]
    # The exception keeps its stack frames alive, and they keep the tensors. So the memory is freed here, after the
    # `except` block has let go of it.
    if shortage is not None:
        log(f"decode: {shortage}; once more in tiles")
        free_leftovers(pipe)
        set_tiling(pipe, is_on=True)
        try:
            video = _decode_once(pipe, latents)
        finally:
            set_tiling(pipe, is_on=False)
    if not bool(torch.isfinite(video).all()):
        raise BadOutputError("the decoded video holds values that are no numbers (NaN or infinite)")
    return video


def _decode_once(pipe: Any, latents: Latents) -> torch.Tensor:
    device = pipe._execution_device
    rest = [value.to(device) if isinstance(value, torch.Tensor) else value for value in latents.rest]
    with torch.no_grad():
        video: torch.Tensor = pipe.vae.decode(latents.tensor.to(device), *rest, return_dict=False)[0]
        return video.to("cpu")


def frames_of(video: torch.Tensor) -> Iterator[Frame]:
    """
    The frames as bytes, one at a time: the whole clip in bytes beside the whole clip in floats may be more than the
    host has.
    """
    for index in range(video.shape[2]):
        frame = video[0, :, index].permute(1, 2, 0).float()
        yield ((frame / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
