"""Proofs: a canary that uses every expert, and one phase at the size of a request that failed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from understudy_worker.errors import Interrupted
from understudy_worker.mux import Clip, write_clip
from understudy_worker.pipelines.decode import decode
from understudy_worker.pipelines.denoise import Order, Progress, Start, denoise
from understudy_worker.pipelines.experts import denoisers
from understudy_worker.pipelines.handover import Latents
from understudy_worker.pipelines.picture import read_picture
from understudy_worker.pipelines.plan import Envelope, plan
from understudy_worker.pipelines.registry import ModelEntry
from understudy_worker.surface import Phase, RenderRequest

CANARY_STEPS = 2
CANARY_FRAMES = 5
CANARY_SIDE = 64


class Enough(Interrupted):
    """A phase's proof needs its phase, and two steps, not all."""


@dataclass(frozen=True)
class Bench:
    """A model in place."""

    pipe: Any
    entry: ModelEntry
    picture_pipe: Any
    """The pipeline that begins from a picture; `pipe` itself where there is one class."""


def canary(bench: Bench) -> int:
    """The smallest whole render: its pictures are finite, and each expert took a step. Answers how many experts did."""
    entry = bench.entry
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
    envelope = plan(replace(entry, image="none"), request)
    needs_picture = entry.image == "required"
    picture = _gray_picture(envelope) if needs_picture else None
    pipe = bench.picture_pipe if needs_picture else bench.pipe
    order = Order(request, envelope, picture)
    with _used_experts(pipe) as used, _boundary_between(pipe, entry):
        latents = denoise(pipe, entry, order, Start(), lambda: None, lambda _: None)
    decode(pipe, latents, lambda _: None)
    return len(used)


def _gray_picture(envelope: Envelope) -> Image.Image:
    return Image.new("RGB", (envelope.width, envelope.height), (120, 130, 140))


@contextmanager
def _used_experts(pipe: Any) -> Iterator[set[int]]:
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
    """With the model's own boundary both steps may fall to the first expert (shift 12: 999 and 923 of 1000)."""
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


def phase(bench: Bench, which: Phase, request: RenderRequest, start: Start | None, latents: Latents | None) -> int:
    """
    Raises what a render of the request would raise in this phase. `start` and `latents` are what such a render has
    left; where it has left none, the proof begins at the first step, and decodes what one step made.
    """
    envelope = plan(bench.entry, request)
    if which == "encode":
        _steps(bench, request, envelope, Start(), 0)
    elif which == "denoise":
        _steps(bench, request, envelope, start or Start(), 2)
    elif which == "decode":
        pipe = bench.pipe if request.image_path is None else bench.picture_pipe
        decode(pipe, latents or _latents_of_one_step(bench, request, envelope), lambda _: None)
    else:
        _mux_noise(request, envelope)
    return 1


def _steps(bench: Bench, request: RenderRequest, envelope: Envelope, start: Start, count: int) -> None:
    """The encoding, and so many steps; one resumed in its last step has one left."""
    last = min(request.steps, start.step + count)

    def on_encoded() -> None:
        if count == 0:
            raise Enough

    def on_step(progress: Progress) -> None:
        if progress.step >= last:
            raise Enough

    try:
        _denoise(bench, request, envelope, start, on_encoded, on_step)
    except Enough:
        return


def _denoise(
    bench: Bench,
    request: RenderRequest,
    envelope: Envelope,
    start: Start,
    on_encoded: Callable[[], None],
    on_step: Callable[[Progress], None],
) -> Latents:
    picture = read_picture(request.image_path, envelope)
    pipe = bench.pipe if picture is None else bench.picture_pipe
    return denoise(pipe, bench.entry, Order(request, envelope, picture), start, on_encoded, on_step)


def _latents_of_one_step(bench: Bench, request: RenderRequest, envelope: Envelope) -> Latents:
    return _denoise(bench, replace(request, steps=1), envelope, Start(), lambda: None, lambda _: None)


def _mux_noise(request: RenderRequest, envelope: Envelope) -> None:
    source = np.random.default_rng(1)
    shape = (envelope.height, envelope.width, 3)
    frames = (source.integers(0, 256, shape, dtype=np.uint8) for _ in range(envelope.frames))
    clip = Clip(request.width, request.height, request.frames, request.frames_per_second)
    with tempfile.TemporaryDirectory(prefix="understudy-proof-") as place:
        write_clip(Path(place) / "proof.mp4", frames, clip, lambda _: None)
