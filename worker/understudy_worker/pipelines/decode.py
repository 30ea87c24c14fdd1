"""Latents to pictures. A decode that runs out of memory is done once more in tiles; the denoising is not repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from understudy_worker.errors import BadOutputError
from understudy_worker.mux import Frame
from understudy_worker.pipelines.handover import Latents
from understudy_worker.pipelines.leftovers import drop_leftovers
from understudy_worker.pipelines.placement import is_tiled, set_tiling


def decode(pipe: Any, latents: Latents, say: Callable[[str], None]) -> torch.Tensor:
    """The video on the host: 1 × 3 × frames × height × width, from -1 to 1."""
    shortage = None
    try:
        video = _decode_once(pipe, latents)
    except torch.OutOfMemoryError as thrown:
        if is_tiled(pipe) or not hasattr(pipe.vae, "enable_tiling"):
            raise
        shortage = str(thrown).split(". ")[0]
    # Out of the `except` block: the exception holds the frames, and they hold the tensors.
    if shortage is not None:
        say(f"decode: {shortage}; once more in tiles")
        drop_leftovers(pipe)
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


def pictures(video: torch.Tensor) -> Iterator[Frame]:
    """One picture at a time: the whole clip in bytes beside the whole clip in floats is more than a host may have."""
    for index in range(video.shape[2]):
        frame = video[0, :, index].permute(1, 2, 0).float()
        yield ((frame / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
