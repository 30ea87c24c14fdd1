"""
Proves that a loaded model renders: by a canary, or by one phase at the size of a request that failed.

The supervisor counts a repair as effective only after such a proof, so a proof does the real work in a small measure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from understudy_worker.api import Phase, RenderRequest
from understudy_worker.errors import Interrupted
from understudy_worker.mux import Clip, write_clip
from understudy_worker.pipelines.decode import decode
from understudy_worker.pipelines.denoise import DenoiseInput, Progress, StartPoint, denoise
from understudy_worker.pipelines.experts import denoisers
from understudy_worker.pipelines.input_image import read_input_image
from understudy_worker.pipelines.latents import Latents
from understudy_worker.pipelines.loaded_model import LoadedModel
from understudy_worker.pipelines.registry import ModelEntry
from understudy_worker.pipelines.render_size import RenderSize, render_size

CANARY_STEPS = 2
CANARY_FRAMES = 5
CANARY_SIDE = 64


class ProofReached(Interrupted):
    """Ends a render as soon as the phase in question has been proved."""


def canary(loaded: LoadedModel) -> int:
    """
    Renders the smallest clip in which every expert takes a step, and returns how many experts did. Raises
    BadOutputError when the frames hold values that are no numbers.
    """
    entry = loaded.entry
    width = CANARY_SIDE if entry.size_step == 32 else 112
    request = RenderRequest(
        model=entry.model,
        prompt="a red fox runs across fresh snow",
        width=width,
        height=CANARY_SIDE,
        frames=CANARY_FRAMES,
        frames_per_second=entry.frames_per_second,
        steps=CANARY_STEPS,
        seed=1,
    )
    size = render_size(replace(entry, image="none"), request)
    needs_image = entry.image == "required"
    image = _gray_image(size) if needs_image else None
    pipe = loaded.image_pipe if needs_image else loaded.pipe
    inputs = DenoiseInput(request, size, image)
    with _used_experts(pipe) as used, _boundary_between(pipe, entry):
        latents = denoise(pipe, entry, inputs, StartPoint(), lambda: None, lambda _: None)
    decode(pipe, latents, lambda _: None)
    return len(used)


def _gray_image(size: RenderSize) -> Image.Image:
    return Image.new("RGB", (size.width, size.height), (120, 130, 140))


@contextmanager
def _used_experts(pipe: Any) -> Iterator[set[int]]:
    """The set of experts that have taken a step while it is open."""
    used: set[int] = set()
    hooks = [
        module.register_forward_pre_hook(lambda *_, index=index: used.add(index))
        for index, module in enumerate(denoisers(pipe))
    ]
    try:
        yield used
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _boundary_between(pipe: Any, entry: ModelEntry) -> Iterator[None]:
    """
    Moves the experts' boundary between the two steps of the canary while it is open. With the model's own boundary both
    steps may fall to the first expert (shift 12: timesteps 999 and 923 of 1000).
    """
    if entry.boundary_ratio is None:
        yield
        return
    pipe.scheduler.set_timesteps(CANARY_STEPS)
    first, second = (float(timestep) for timestep in pipe.scheduler.timesteps[:2])
    pipe.register_to_config(boundary_ratio=(first + second) / 2 / pipe.scheduler.config.num_train_timesteps)
    try:
        yield
    finally:
        pipe.register_to_config(boundary_ratio=entry.boundary_ratio)


def phase(
    loaded: LoadedModel, which: Phase, request: RenderRequest, start: StartPoint | None, latents: Latents | None
) -> int:
    """
    Runs one phase of a request and returns 1, the count of experts that a phase stands for. Raises what a render would
    raise in this phase.

    `start` and `latents` come from the checkpoint of the render that failed. Without one the proof begins at the first
    step, and decodes the latents of a single step.
    """
    size = render_size(loaded.entry, request)
    if which == "encode":
        _steps(loaded, request, size, StartPoint(), 0)
    elif which == "denoise":
        _steps(loaded, request, size, start or StartPoint(), 2)
    elif which == "decode":
        decode(
            loaded.pipe_for(request.image_path), latents or _latents_of_one_step(loaded, request, size), lambda _: None
        )
    else:
        _mux_noise(request, size)
    return 1


def _steps(loaded: LoadedModel, request: RenderRequest, size: RenderSize, start: StartPoint, count: int) -> None:
    """Encodes, and takes `count` steps, or fewer where the start point leaves fewer."""
    last = min(request.steps, start.step + count)

    def on_encoded() -> None:
        if count == 0:
            raise ProofReached

    def on_step(progress: Progress) -> None:
        if progress.step >= last:
            raise ProofReached

    try:
        _denoise(loaded, request, size, start, on_encoded, on_step)
    except ProofReached:
        return


def _denoise(
    loaded: LoadedModel,
    request: RenderRequest,
    size: RenderSize,
    start: StartPoint,
    on_encoded: Callable[[], None],
    on_step: Callable[[Progress], None],
) -> Latents:
    image = read_input_image(request.image_path, size)
    return denoise(
        loaded.pipe_for(request.image_path),
        loaded.entry,
        DenoiseInput(request, size, image),
        start,
        on_encoded,
        on_step,
    )


def _latents_of_one_step(loaded: LoadedModel, request: RenderRequest, size: RenderSize) -> Latents:
    return _denoise(loaded, replace(request, steps=1), size, StartPoint(), lambda: None, lambda _: None)


def _mux_noise(request: RenderRequest, size: RenderSize) -> None:
    """Writes a clip of random frames, which are neither black nor constant, into a folder that is deleted."""
    source = np.random.default_rng(1)
    shape = (size.height, size.width, 3)
    frames = (source.integers(0, 256, shape, dtype=np.uint8) for _ in range(size.frames))
    clip = Clip(request.width, request.height, request.frames, request.frames_per_second)
    with tempfile.TemporaryDirectory(prefix="understudy-proof-") as place:
        write_clip(Path(place) / "proof.mp4", frames, clip, lambda _: None)
