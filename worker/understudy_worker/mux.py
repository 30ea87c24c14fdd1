"""Frames to a playing H.264 file: cropped, written aside, decoded once more, and only then put in its place."""

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
"""Mean luma (0..255) below which a picture is black; the supervisor's own probe draws the line here too."""
SAME_LEVEL = 0.15
"""Mean difference of luma below which a clip's pictures are one picture."""
FLAT_LEVEL = 1.0
"""Spread of luma below which a picture shows nothing."""
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Clip:
    width: int
    height: int
    frames: int
    frames_per_second: float


def crop(frame: Frame, width: int, height: int) -> Frame:
    """The middle of a picture that was rendered at the next legal size."""
    top = (frame.shape[0] - height) // 2
    left = (frame.shape[1] - width) // 2
    if top < 0 or left < 0:
        raise BadOutputError(f"a picture of {frame.shape[1]}x{frame.shape[0]} holds no {width}x{height}")
    return np.ascontiguousarray(frame[top : top + height, left : left + width])


class _Eye:
    """Looks at every picture that goes by."""

    def __init__(self) -> None:
        self._first: npt.NDArray[np.float32] | None = None
        self._count = 0
        self._brightest = 0.0
        self._widest = 0.0
        self._largest_change = 0.0

    def see(self, frame: Frame) -> None:
        luma = frame[::4, ::4].astype(np.float32) @ _LUMA
        if self._first is None:
            self._first = luma
        self._count += 1
        self._brightest = max(self._brightest, float(luma.mean()))
        self._widest = max(self._widest, float(luma.max() - luma.min()))
        self._largest_change = max(self._largest_change, float(np.abs(luma - self._first).mean()))

    def judge(self) -> None:
        if self._brightest < BLACK_LEVEL:
            raise BadOutputError("the clip is black")
        if self._widest < FLAT_LEVEL:
            raise BadOutputError("the clip shows one colour")
        if self._count > 1 and self._largest_change < SAME_LEVEL:
            raise BadOutputError("the clip is constant: every picture is the same")


def _write(path: Path, frames: Iterable[Frame], clip: Clip, on_frame: Callable[[int], None]) -> None:
    eye = _Eye()
    writer = imageio_ffmpeg.write_frames(
        path,
        (clip.width, clip.height),
        fps=clip.frames_per_second,
        codec="libx264",
        quality=None,
        # 1: any other would make ffmpeg resize to a multiple of it.
        macro_block_size=1,
        output_params=["-crf", "18", "-preset", "medium", "-movflags", "+faststart", "-f", "mp4"],
    )
    try:
        writer.send(None)
        for index, frame in enumerate(frames):
            if index >= clip.frames:
                break
            picture = crop(frame, clip.width, clip.height)
            eye.see(picture)
            writer.send(picture)
            on_frame(index + 1)
    finally:
        writer.close()
    eye.judge()


def decoded_facts(path: Path) -> Clip:
    """Decodes the whole file; raises BadOutputError when it does not play."""
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
    """Raises BadOutputError for what nobody wants to see, and leaves nothing under the result's name then."""
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
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
