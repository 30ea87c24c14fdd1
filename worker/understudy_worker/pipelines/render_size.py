"""
Chooses the size and frame count that the model renders for a request, and how long its silent phases may take.

A model renders certain sizes only. The next larger one is chosen here and cropped afterwards, because diffusers would
change the numbers without a word.
"""

from __future__ import annotations

from dataclasses import dataclass

from understudy_worker.api import RenderRequest
from understudy_worker.errors import RequestError
from understudy_worker.pipelines.registry import ModelEntry


@dataclass(frozen=True)
class RenderSize:
    """What the model renders, before the crop and trim to what was asked for."""

    width: int
    height: int
    frames: int

    @property
    def megapixels(self) -> float:
        return self.width * self.height * self.frames / 1e6


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def render_size(entry: ModelEntry, request: RenderRequest) -> RenderSize:
    """The next legal size and frame count. Raises RequestError for what this model cannot render."""
    if request.width % 2 or request.height % 2:
        raise RequestError(f"width and height must be even, for H.264: {request.width}x{request.height}")
    width, height = _round_up(request.width, entry.size_step), _round_up(request.height, entry.size_step)
    if width * height > entry.largest_pixels:
        raise RequestError(
            f"{request.width}x{request.height} is larger than {entry.model}'s {entry.largest_pixels} pixels"
        )
    if request.frames > entry.most_frames:
        raise RequestError(f"{request.frames} frames are more than {entry.model}'s {entry.most_frames}")
    if entry.image == "required" and request.image_path is None:
        raise RequestError(f"{entry.model} begins from a picture, and the request names none (image_path)")
    if entry.image == "none" and request.image_path is not None:
        raise RequestError(f"{entry.model} takes no picture (image_path)")
    offset = entry.frame_offset
    return RenderSize(width, height, _round_up(max(0, request.frames - offset), entry.frame_step) + offset)


def encode_limit_ms(*, is_cuda: bool) -> int:
    """How long the text encoder, which reports no steps, may take. With offload it is moved to the card first."""
    return 120_000 if is_cuda else 600_000


def decode_limit_ms(size: RenderSize, *, is_cuda: bool) -> int:
    """How long the VAE, which reports no steps, may take: a minute, and 2 s a megapixel (tiled, on a slow card)."""
    return 60_000 + round(size.megapixels * 2_000) * (1 if is_cuda else 30)
