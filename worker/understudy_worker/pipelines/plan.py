"""What is really rendered for what was asked: checked here, so that diffusers changes nothing on its own."""

from __future__ import annotations

from dataclasses import dataclass

from understudy_worker.errors import RequestError
from understudy_worker.pipelines.registry import ModelEntry
from understudy_worker.surface import RenderRequest


@dataclass(frozen=True)
class Envelope:
    """The next legal size and frame count; the muxer crops and trims to what was asked."""

    width: int
    height: int
    frames: int

    @property
    def megapixels(self) -> float:
        return self.width * self.height * self.frames / 1e6


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def plan(entry: ModelEntry, request: RenderRequest) -> Envelope:
    """Raises RequestError for what this model cannot render."""
    if request.width % 2 or request.height % 2:
        raise RequestError(f"width and height must be even, for H.264: {request.width}x{request.height}")
    width, height = _up(request.width, entry.size_step), _up(request.height, entry.size_step)
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
    return Envelope(width, height, _up(max(0, request.frames - offset), entry.frame_step) + offset)


def encode_limit_ms(*, is_cuda: bool) -> int:
    """How long the text encoder may be silent: on a card it may have to be moved there first."""
    return 120_000 if is_cuda else 600_000


def decode_limit_ms(envelope: Envelope, *, is_cuda: bool) -> int:
    """How long the VAE, which tells no steps, may take: a minute, and 2 s a megapixel (tiled, on a slow card)."""
    return 60_000 + round(envelope.megapixels * 2_000) * (1 if is_cuda else 30)
