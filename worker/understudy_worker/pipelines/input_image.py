"""Reads the image that a video begins from."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from understudy_worker.errors import RequestError
from understudy_worker.pipelines.render_size import RenderSize


def read_input_image(path: str | None, size: RenderSize) -> Image.Image | None:
    """
    The image at the size of the render: scaled to cover it and cut in the middle, because diffusers would distort it.
    Raises RequestError for a file that is no image.
    """
    if path is None:
        return None
    try:
        with Image.open(Path(path)) as image:
            upright = ImageOps.exif_transpose(image)
            return ImageOps.fit(upright.convert("RGB"), (size.width, size.height), Image.Resampling.LANCZOS)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as cause:
        raise RequestError("the picture (image_path) cannot be read") from cause
