"""Turns a prompt into latents: one call of the pipeline, which reports every step and can begin in the middle."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from understudy_worker.api import RenderRequest
from understudy_worker.pipelines.call_arguments import call_arguments
from understudy_worker.pipelines.experts import denoisers
from understudy_worker.pipelines.latents import Latents, LatentsCaptured, capturing_latents, on_first_forward
from understudy_worker.pipelines.registry import ModelEntry
from understudy_worker.pipelines.render_size import RenderSize
from understudy_worker.pipelines.resume import NOISE, State, can_resume, capture_state, restore_noise, resuming


@dataclass(frozen=True)
class Progress:
    """Everything that a checkpoint needs, right after a step."""

    step: int
    latents: torch.Tensor
    state: State | None
    """State of scheduler and noise; None for a scheduler that cannot be resumed."""


@dataclass(frozen=True)
class StartPoint:
    """Where denoising begins: at the first step, unless a checkpoint says otherwise."""

    step: int = 0
    latents: torch.Tensor | None = None
    state: State | None = None


@dataclass(frozen=True)
class DenoiseInput:
    """What is to be rendered, after the checks and at the size that the model can render."""

    request: RenderRequest
    size: RenderSize
    image: Image.Image | None = None


def denoise(
    pipe: Any,
    entry: ModelEntry,
    inputs: DenoiseInput,
    start: StartPoint,
    on_encoded: Callable[[], None],
    on_step: Callable[[Progress], None],
) -> Latents:
    """
    The latents that the VAE is to decode.

    `on_encoded` is called when prompt and image are encoded, `on_step` after every step. An exception is the way to end
    a render early: diffusers' own interrupt would return noise as if it were the result.
    """

    def on_step_end(_pipe: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        scheduler = pipe.scheduler
        inner = getattr(scheduler, "_inner", scheduler)
        state = {**capture_state(inner), NOISE: generator.get_state()} if can_resume(inner) else None
        on_step(Progress(start.step + index + 1, tensors["latents"], state))
        return tensors

    def on_first_pass() -> None:
        restore_noise(generator, start.state)
        on_encoded()

    # On the host, whatever the device is, so that a seed gives the same noise everywhere.
    generator = torch.Generator("cpu").manual_seed(inputs.request.seed)
    # Twice: here for a render whose steps are all done, which runs no forward pass, and again before the first pass,
    # because the pipeline draws noise while it prepares, which the uninterrupted render drew before its first step.
    restore_noise(generator, start.state)
    arguments = call_arguments(pipe, entry, inputs.request, inputs.size, inputs.image)
    resumed = nullcontext() if start.state is None else resuming(pipe, start.state, start.step)
    with resumed, capturing_latents(pipe.vae), on_first_forward(denoisers(pipe), on_first_pass):
        try:
            pipe(
                **arguments,
                generator=generator,
                latents=start.latents,
                callback_on_step_end=on_step_end,
                callback_on_step_end_tensor_inputs=["latents"],
            )
        except LatentsCaptured as done:
            latents = done.latents
        else:
            raise RuntimeError(f"{type(pipe).__name__} has ended without a decode by its VAE")
    # The exception left the call before it could offload its models again.
    pipe.maybe_free_model_hooks()
    return latents


class CheckpointTimer:
    """
    Decides after each step whether a checkpoint is due. It is due when waiting for the next step would put more than
    `every_ms` of work at risk, so a process that dies loses at most that, or one step where a step takes longer.
    """

    def __init__(self, every_ms: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every_ms / 1_000
        self._clock = clock
        self._saved_at = self._stepped_at = clock()

    def is_due(self) -> bool:
        now = self._clock()
        step = now - self._stepped_at
        self._stepped_at = now
        if now + step - self._saved_at < self._every:
            return False
        self._saved_at = now
        return True
