"""Prompt to latents: encode, then denoise step by step, with a checkpoint as often as is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from understudy_worker.pipelines.plan import Envelope
from understudy_worker.pipelines.registry import ModelEntry
from understudy_worker.pipelines.resume import State, can_resume, capture, resuming
from understudy_worker.surface import RenderRequest


@dataclass(frozen=True)
class Prompt:
    embeds: torch.Tensor
    negative_embeds: torch.Tensor | None


@dataclass(frozen=True)
class Progress:
    """Where a denoising is, right after a step: what a checkpoint keeps."""

    step: int
    latents: torch.Tensor
    scheduler: State | None
    """None for a scheduler whose state is not known."""


@dataclass(frozen=True)
class Start:
    """Where a denoising begins."""

    step: int = 0
    latents: torch.Tensor | None = None
    scheduler: State | None = None


def encode(pipe: Any, entry: ModelEntry, text: str) -> Prompt:
    with torch.no_grad():
        embeds, negative = pipe.encode_prompt(
            prompt=text,
            negative_prompt=entry.negative_prompt,
            do_classifier_free_guidance=entry.guidance_scale > 1,
            num_videos_per_prompt=1,
            max_sequence_length=entry.max_sequence_length,
            device=pipe._execution_device,
        )
    return Prompt(embeds, negative)


def denoise(
    pipe: Any,
    entry: ModelEntry,
    request: RenderRequest,
    envelope: Envelope,
    prompt: Prompt,
    picture: Image.Image | None,
    start: Start,
    on_step: Callable[[Progress], None],
) -> torch.Tensor:
    """The final latents. What `on_step` raises ends the call: diffusers' own interrupt returns noise as a result."""

    def on_step_end(_pipe: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        scheduler = pipe.scheduler
        inner = getattr(scheduler, "_inner", scheduler)
        state = capture(inner) if can_resume(inner) else None
        on_step(Progress(start.step + index + 1, tensors["latents"], state))
        return tensors

    given: dict[str, Any] = {} if picture is None else {"image": picture}
    if entry.boundary_ratio is not None:
        given["guidance_scale_2"] = entry.guidance_scale_2
    goes_on = nullcontext() if start.scheduler is None else resuming(pipe, start.scheduler, start.step)
    with goes_on:
        found = pipe(
            prompt_embeds=prompt.embeds,
            negative_prompt_embeds=prompt.negative_embeds,
            height=envelope.height,
            width=envelope.width,
            num_frames=envelope.frames,
            num_inference_steps=request.steps,
            guidance_scale=entry.guidance_scale,
            # On the host, whatever the device: the same seed is the same noise everywhere.
            generator=torch.Generator("cpu").manual_seed(request.seed),
            latents=start.latents,
            output_type="latent",
            max_sequence_length=entry.max_sequence_length,
            callback_on_step_end=on_step_end,
            callback_on_step_end_tensor_inputs=["latents"],
            **given,
        )
    latents: torch.Tensor = found.frames
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
