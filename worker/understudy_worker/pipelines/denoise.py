"""Prompt to latents: encode, then denoise step by step, with a checkpoint as often as is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from understudy_worker.pipelines.ask import arguments_of
from understudy_worker.pipelines.experts import denoisers
from understudy_worker.pipelines.handover import HandedOver, Latents, handing_over, noticing_first_pass
from understudy_worker.pipelines.plan import Envelope
from understudy_worker.pipelines.registry import ModelEntry
from understudy_worker.pipelines.resume import NOISE, State, can_resume, capture, draw_on, resuming
from understudy_worker.surface import RenderRequest


@dataclass(frozen=True)
class Progress:
    """Where a denoising is, right after a step: what a checkpoint keeps."""

    step: int
    latents: torch.Tensor
    state: State | None
    """Of scheduler and noise; None for a scheduler whose state is not known."""


@dataclass(frozen=True)
class Start:
    """Where a denoising begins."""

    step: int = 0
    latents: torch.Tensor | None = None
    state: State | None = None


@dataclass(frozen=True)
class Order:
    request: RenderRequest
    envelope: Envelope
    picture: Image.Image | None = None


def denoise(
    pipe: Any,
    entry: ModelEntry,
    order: Order,
    start: Start,
    on_encoded: Callable[[], None],
    on_step: Callable[[Progress], None],
) -> Latents:
    """
    What the VAE is to decode. What `on_encoded` or `on_step` raises ends the call: diffusers' own interrupt returns
    noise as a result.
    """

    def on_step_end(_pipe: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        scheduler = pipe.scheduler
        inner = getattr(scheduler, "_inner", scheduler)
        state = {**capture(inner), NOISE: generator.get_state()} if can_resume(inner) else None
        on_step(Progress(start.step + index + 1, tensors["latents"], state))
        return tensors

    def on_first_pass() -> None:
        draw_on(generator, start.state)
        on_encoded()

    # On the host, whatever the device: the same seed is the same noise everywhere.
    generator = torch.Generator("cpu").manual_seed(order.request.seed)
    # With all steps done before there is no pass; else it is what was drawn before the first that does not count.
    draw_on(generator, start.state)
    asked = arguments_of(pipe, entry, order.request, order.envelope, order.picture)
    goes_on = nullcontext() if start.state is None else resuming(pipe, start.state, start.step)
    with goes_on, handing_over(pipe.vae), noticing_first_pass(denoisers(pipe), on_first_pass):
        try:
            pipe(
                **asked,
                generator=generator,
                latents=start.latents,
                callback_on_step_end=on_step_end,
                callback_on_step_end_tensor_inputs=["latents"],
            )
        except HandedOver as done:
            latents = done.latents
        else:
            raise RuntimeError(f"{type(pipe).__name__} has ended without a decode by its VAE")
    # The call was left before it could put its models back where its profile has them.
    pipe.maybe_free_model_hooks()
    return latents


class Saver:
    """Says when a checkpoint is due: at most `every_ms` of work is lost, or one step where a step is longer."""

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
