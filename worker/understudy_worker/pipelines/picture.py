"""The picture that a video begins from."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from understudy_worker.errors import RequestError
from understudy_worker.pipelines.plan import Envelope


def read_picture(path: str | None, envelope: Envelope) -> Image.Image | None:
    """Scaled to cover the rendered size and cut to it in the middle: diffusers would squeeze it."""
    if path is None:
        return None
    try:
        with Image.open(Path(path)) as image:
            upright = ImageOps.exif_transpose(image)
            return ImageOps.fit(upright.convert("RGB"), (envelope.width, envelope.height), Image.Resampling.LANCZOS)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as cause:
        raise RequestError("the picture (image_path) cannot be read") from cause
