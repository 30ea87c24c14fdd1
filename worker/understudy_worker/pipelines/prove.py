"""Proofs: a canary that uses every expert, and one phase at the size of a request that failed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from understudy_worker.errors import Interrupted
from understudy_worker.mux import Clip, write_clip
from understudy_worker.pipelines.decode import decode
from understudy_worker.pipelines.denoise import Progress, Prompt, Start, denoise, encode
from understudy_worker.pipelines.kinds import KINDS, denoisers
from understudy_worker.pipelines.picture import read_picture
from understudy_worker.pipelines.plan import Envelope, plan
from understudy_worker.pipelines.registry import ModelEntry
from understudy_worker.surface import Phase, RenderRequest

CANARY_STEPS = 2
CANARY_FRAMES = 5
CANARY_SIDE = 64


class EnoughSteps(Interrupted):
    """A phase's proof needs two steps, not all."""


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
    prompt = encode(pipe, entry, request.prompt)
    with _used_experts(pipe) as used, _boundary_between(pipe, entry):
        latents = denoise(pipe, entry, request, envelope, prompt, picture, Start(), lambda _: None)
    decode(pipe, KINDS[entry.pipeline], latents, envelope.frames, lambda _: None)
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


def phase(bench: Bench, which: Phase, request: RenderRequest, start: Start) -> int:
    """Raises what a render of the request would raise in this phase."""
    entry = bench.entry
    envelope = plan(entry, request)
    pipe = bench.pipe if request.image_path is None else bench.picture_pipe
    if which == "encode":
        encode(pipe, entry, request.prompt)
    elif which == "denoise":
        picture = read_picture(request.image_path, envelope)
        _two_steps(bench, request, envelope, encode(pipe, entry, request.prompt), picture, start)
    elif which == "decode":
        latents = start.latents if start.latents is not None else _noise(pipe, entry, envelope)
        decode(pipe, KINDS[entry.pipeline], latents, envelope.frames, lambda _: None)
    else:
        _mux_noise(request, envelope)
    return 1


def _two_steps(
    bench: Bench, request: RenderRequest, envelope: Envelope, prompt: Prompt, picture: Any, start: Start
) -> None:
    pipe = bench.pipe if picture is None else bench.picture_pipe
    begun = start if start.step < request.steps else Start()
    last = min(request.steps, begun.step + 2)

    def on_step(progress: Progress) -> None:
        if progress.step >= last:
            raise EnoughSteps

    try:
        denoise(pipe, bench.entry, request, envelope, prompt, picture, begun, on_step)
    except EnoughSteps:
        return


def _noise(pipe: Any, entry: ModelEntry, envelope: Envelope) -> torch.Tensor:
    """Latents of a render's shape, where no render has left any."""
    frames = (envelope.frames - 1) // pipe.vae_scale_factor_temporal + 1
    rows, columns = envelope.height // pipe.vae_scale_factor_spatial, envelope.width // pipe.vae_scale_factor_spatial
    generator = torch.Generator("cpu").manual_seed(1)
    if entry.pipeline == "CogVideoXPipeline":
        return torch.randn(1, frames, pipe.vae.config.latent_channels, rows, columns, generator=generator)
    return torch.randn(1, pipe.vae.config.z_dim, frames, rows, columns, generator=generator)


def _mux_noise(request: RenderRequest, envelope: Envelope) -> None:
    source = np.random.default_rng(1)
    shape = (envelope.height, envelope.width, 3)
    frames = (source.integers(0, 256, shape, dtype=np.uint8) for _ in range(envelope.frames))
    clip = Clip(request.width, request.height, request.frames, request.frames_per_second)
    with tempfile.TemporaryDirectory(prefix="understudy-proof-") as place:
        write_clip(Path(place) / "proof.mp4", frames, clip, lambda _: None)
