"""
Writes the rendered frames to an H.264 file and checks that it plays.

The file is written under another name, decoded again and only then renamed, so the result's name never stands on a file
that is unfinished, black or damaged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from understudy_worker.errors import BadOutputError

Frame = npt.NDArray[np.uint8]
"""Height × width × red, green, blue."""

BLACK_LEVEL = 4.0
"""A frame whose mean luma (0..255) is below this is black. The supervisor's own check uses the same value."""
SAME_LEVEL = 0.15
"""A clip is constant when no frame differs from the first by this much, as a mean over luma."""
FLAT_LEVEL = 1.0
"""A frame shows one colour when its luma spreads by less than this."""
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Clip:
    """Size, length and speed of a video."""

    width: int
    height: int
    frames: int
    frames_per_second: float


def crop(frame: Frame, width: int, height: int) -> Frame:
    """The middle of a frame. Models render certain sizes only, so a frame may be larger than what was asked for."""
    top = (frame.shape[0] - height) // 2
    left = (frame.shape[1] - width) // 2
    if top < 0 or left < 0:
        raise BadOutputError(f"a picture of {frame.shape[1]}x{frame.shape[0]} holds no {width}x{height}")
    return np.ascontiguousarray(frame[top : top + height, left : left + width])


class _FrameCheck:
    """Measures every frame on its way to the encoder, so that the clip need not be kept for a look at its end."""

    def __init__(self) -> None:
        self._first: npt.NDArray[np.float32] | None = None
        self._count = 0
        self._brightest = 0.0
        self._widest = 0.0
        self._largest_change = 0.0

    def add(self, frame: Frame) -> None:
        luma = frame[::4, ::4].astype(np.float32) @ _LUMA
        if self._first is None:
            self._first = luma
        self._count += 1
        self._brightest = max(self._brightest, float(luma.mean()))
        self._widest = max(self._widest, float(luma.max() - luma.min()))
        self._largest_change = max(self._largest_change, float(np.abs(luma - self._first).mean()))

    def raise_if_useless(self) -> None:
        if self._brightest < BLACK_LEVEL:
            raise BadOutputError("the clip is black")
        if self._widest < FLAT_LEVEL:
            raise BadOutputError("the clip shows one colour")
        if self._count > 1 and self._largest_change < SAME_LEVEL:
            raise BadOutputError("the clip is constant: every picture is the same")


def _write(path: Path, frames: Iterable[Frame], clip: Clip, on_frame: Callable[[int], None]) -> None:
    frame_check = _FrameCheck()
    writer = imageio_ffmpeg.write_frames(
        path,
        (clip.width, clip.height),
        fps=clip.frames_per_second,
        codec="libx264",
        quality=None,
        # With any value but 1 imageio would let ffmpeg scale the video to a multiple of it.
        macro_block_size=1,
        output_params=["-crf", "18", "-preset", "medium", "-movflags", "+faststart", "-f", "mp4"],
    )
    try:
        writer.send(None)
        for index, frame in enumerate(frames):
            if index >= clip.frames:
                break
            cropped = crop(frame, clip.width, clip.height)
            frame_check.add(cropped)
            writer.send(cropped)
            on_frame(index + 1)
    finally:
        writer.close()
    frame_check.raise_if_useless()


def decoded_facts(path: Path) -> Clip:
    """Size, length and speed of a file, found by decoding all of it. Raises BadOutputError when it does not play."""
    reader = imageio_ffmpeg.read_frames(path)
    try:
        meta: dict[str, Any] = next(reader)
        count = sum(1 for _ in reader)
    except (OSError, RuntimeError, StopIteration) as cause:
        raise BadOutputError(f"the file does not play: {cause}") from cause
    finally:
        reader.close()
    width, height = meta["source_size"]
    return Clip(width, height, count, float(meta["fps"]))


def write_clip(path: Path, frames: Iterable[Frame], clip: Clip, on_frame: Callable[[int], None]) -> None:
    """
    Writes `frames` to `path`, cropped and trimmed to `clip`, and calls `on_frame` with the count after each frame.

    Raises BadOutputError for a clip that is black, of one colour, constant or not playable; then nothing is left at
    `path`.
    """
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(part, frames, clip, on_frame)
        found = decoded_facts(part)
        if (found.width, found.height, found.frames) != (clip.width, clip.height, clip.frames):
            raise BadOutputError(
                f"{found.frames} frames of {found.width}x{found.height} were written, "
                f"not {clip.frames} of {clip.width}x{clip.height}"
            )
        sync(part)
        os.replace(part, path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Makes a file's content, or a folder's entries, survive a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
