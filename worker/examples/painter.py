"""A worker of your own in thirty lines: started by Understudy, it renders with the function `paint`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from understudy_worker import Job, OnStep, Worker, serve
from understudy_worker.mux import Clip, Frame, write_clip


def paint(seed: int, width: int, height: int, frames: int) -> Iterator[Frame]:
    ramp = np.linspace(0, 255, width)[None, :] + np.linspace(0, 64, height)[:, None]
    for index in range(frames):
        shifted = (ramp + 7 * index + seed) % 256
        yield np.stack([shifted, shifted[:, ::-1], 255 - shifted], axis=-1).astype(np.uint8)


class Painter(Worker):
    kind = "painter"

    def load(self, model: str, profile: str, on_ratio: Callable[[float], None]) -> None:
        on_ratio(1.0)  # your model comes here

    def render(self, job: Job, on_step: OnStep) -> Path:
        asked = job.request
        for phase in ("encode", "denoise", "decode"):
            on_step(phase, 1, 1)
        clip = Clip(asked.width, asked.height, asked.frames, asked.frames_per_second)
        frames = paint(asked.seed, asked.width, asked.height, asked.frames)
        write_clip(job.output_path, frames, clip, lambda count: on_step("mux", count, asked.frames))
        return job.output_path


if __name__ == "__main__":
    serve(Painter)
