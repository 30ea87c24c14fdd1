"""A worker of your own in thirty lines: started by Understudy, it renders with the function `paint`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from understudy_worker import Job, OnStep, Worker, serve
from understudy_worker.mux import Clip, write_clip

Picture = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def paint(clip: Picture) -> Picture:  # yours: one step from noise towards the picture
    drawn = np.indices(clip.shape).sum(axis=0) % 256.0
    clip += 0.2 * (drawn - clip)
    return clip


class Painter(Worker):
    kind = "painter"
    models = ("painter",)  # as the service's registry file calls them

    def load(self, model: str, profile: str, on_ratio: Callable[[float], None]) -> None:
        on_ratio(1.0)  # yours: read the weights, tell how far you are

    def render(self, job: Job, on_step: OnStep) -> Path:
        asked = job.request
        clip = np.random.default_rng(asked.seed).uniform(0, 255, (asked.frames, asked.height, asked.width, 3))
        on_step("encode", 1, 1)
        for step in range(asked.steps):
            clip = paint(clip)
            on_step("denoise", step + 1, asked.steps)
        on_step("decode", 1, 1)
        size = Clip(asked.width, asked.height, asked.frames, asked.frames_per_second)
        write_clip(job.output_path, clip.astype(np.uint8), size, lambda count: on_step("mux", count, asked.frames))
        return job.output_path


if __name__ == "__main__":
    serve(Painter)
