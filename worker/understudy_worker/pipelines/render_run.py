"""
Renders one job: encode, denoise, decode and mux, with checkpoints in between.

The phases are separate, so that one which fails does not cost the work of those before it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from understudy_worker.api import Job, OnStep, Rendered, RenderRequest
from understudy_worker.mux import Clip, write_clip
from understudy_worker.pipelines import lora
from understudy_worker.pipelines.checkpoint import Checkpoint, CorruptCheckpoint, read_checkpoint, write_checkpoint
from understudy_worker.pipelines.decode import decode, frames_of
from understudy_worker.pipelines.denoise import CheckpointTimer, DenoiseInput, Progress, StartPoint, denoise
from understudy_worker.pipelines.fingerprint import fingerprint_of
from understudy_worker.pipelines.input_image import read_input_image
from understudy_worker.pipelines.latents import Latents
from understudy_worker.pipelines.loaded_model import LoadedModel
from understudy_worker.pipelines.render_size import decode_limit_ms, encode_limit_ms, render_size
from understudy_worker.serve import log

DECODE_ARGUMENTS = "rest"
"""Where a checkpoint of final latents keeps the further arguments of their decode."""
MUX_REPORTS = 10
MUX_LIMIT_MS = 60_000
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class RenderRun:
    """One attempt at a job. It continues from the job's checkpoint where there is one of this very render."""

    def __init__(self, loaded: LoadedModel, job: Job, lora_dir: Path | None, *, profile: str, is_cuda: bool) -> None:
        self._loaded = loaded
        self._job = job
        self._lora_dir = lora_dir
        self._is_cuda = is_cuda
        self._size = render_size(loaded.entry, job.request)
        self._pipe = loaded.pipe_for(job.request.image_path)
        self._fingerprint = fingerprint_of(loaded.entry, job.request, loaded.pipe, lora_dir)
        self._placement = {"profile": profile}
        self._latest: Progress | None = None
        self._step_count = 0

    def run(self, save_every_ms: float, on_step: OnStep) -> Rendered:
        checkpoint = self._find_checkpoint()
        on_step("encode", 0, 1, long_phase_ms=encode_limit_ms(is_cuda=self._is_cuda))
        if checkpoint is not None and checkpoint.is_final:
            steps = self._job.request.steps
            on_step("encode", 1, 1)
            on_step("denoise", steps, steps)
            latents = latents_in(checkpoint)
        else:
            latents = self._denoise(start_point_of(checkpoint), save_every_ms, on_step)
        video = self._decode(latents, on_step)
        del latents
        self._mux(video, on_step)
        resumed = 0 if checkpoint is None else checkpoint.step
        return Rendered(self._job.output_path, self._size.width, self._size.height, self._step_count, resumed)

    def checkpoint(self) -> None:
        """Saves the latest step. Does nothing for a scheduler that cannot be resumed."""
        latest = self._latest
        if latest is not None and latest.state is not None:
            self._write(latest.step, latest.latents, latest.state, is_final=False)

    def _find_checkpoint(self) -> Checkpoint | None:
        checkpoint = find_checkpoint(self._job.checkpoint_dir, self._fingerprint)
        if checkpoint is not None and checkpoint.placement != self._placement:
            log(
                f"the checkpoint of step {checkpoint.step} was made with {checkpoint.placement}, "
                f"and goes on with {self._placement}"
            )
        return checkpoint

    def _denoise(self, start: StartPoint, save_every_ms: float, on_step: OnStep) -> Latents:
        request = self._job.request
        encoded: list[bool] = []

        def on_encoded() -> None:
            encoded.append(True)
            on_step("encode", 1, 1)
            on_step("denoise", start.step, request.steps)

        inputs = DenoiseInput(request, self._size, read_input_image(request.image_path, self._size))
        on_denoised = self._step_handler(CheckpointTimer(save_every_ms), on_step)
        with lora.applied_loras(self._pipe, request, self._lora_dir):
            latents = denoise(self._pipe, self._loaded.entry, inputs, start, on_encoded, on_denoised)
        # A render that resumes after its last step runs no forward pass, so nothing else reports the encoding.
        if not encoded:
            on_encoded()
        # The decode may fail, or end the process. Then the next attempt begins with these latents.
        extras = {DECODE_ARGUMENTS: list(latents.rest)}
        self._write(request.steps, latents.tensor, extras, is_final=True)
        self._latest = None
        return latents

    def _step_handler(self, timer: CheckpointTimer, on_step: OnStep) -> Callable[[Progress], None]:
        steps = self._job.request.steps

        def on_denoised(progress: Progress) -> None:
            self._latest = progress
            self._step_count += 1
            if timer.is_due() and progress.step < steps:
                self.checkpoint()
            on_step("denoise", progress.step, steps)

        return on_denoised

    def _write(self, step: int, latents: torch.Tensor, extras: dict[str, Any], *, is_final: bool) -> None:
        checkpoint = Checkpoint(self._fingerprint, step, is_final, latents, extras, self._placement)
        try:
            write_checkpoint(self._job.checkpoint_dir, checkpoint)
        except OSError as thrown:
            if thrown.errno not in DISK_FULL:
                raise
            # A checkpoint is insurance: without a new one the render goes on, and the one before still stands.
            log(f"no room for the checkpoint of step {step}")

    def _decode(self, latents: Latents, on_step: OnStep) -> torch.Tensor:
        size = self._size
        on_step("decode", 0, 1, long_phase_ms=decode_limit_ms(size, is_cuda=self._is_cuda))
        video = decode(self._pipe, latents, log)
        found = (video.shape[4], video.shape[3], video.shape[2])
        if found != (size.width, size.height, size.frames):
            raise RuntimeError(f"diffusers rendered {found}, not {size}: the list of models does not fit the model")
        on_step("decode", 1, 1)
        return video

    def _mux(self, video: torch.Tensor, on_step: OnStep) -> None:
        request = self._job.request
        every = max(1, request.frames // MUX_REPORTS)
        on_step("mux", 0, request.frames, long_phase_ms=MUX_LIMIT_MS)

        def on_frame(count: int) -> None:
            if count % every == 0 and count < request.frames:
                on_step("mux", count, request.frames)

        clip = Clip(request.width, request.height, request.frames, request.frames_per_second)
        write_clip(self._job.output_path, frames_of(video), clip, on_frame)
        on_step("mux", request.frames, request.frames)


def find_checkpoint(directory: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint of this very render, or None. A damaged one is logged and not used."""
    try:
        return read_checkpoint(directory, fingerprint)
    except CorruptCheckpoint as thrown:
        log(f"checkpoint refused, the render begins anew: {thrown}")
        return None


def start_point_of(checkpoint: Checkpoint | None) -> StartPoint:
    if checkpoint is None:
        return StartPoint()
    return StartPoint(checkpoint.step, checkpoint.latents, checkpoint.extras)


def latents_in(checkpoint: Checkpoint) -> Latents:
    return Latents(checkpoint.latents, tuple(checkpoint.extras[DECODE_ARGUMENTS]))


def find_checkpoint_for(
    loaded: LoadedModel, request: RenderRequest, directory: Path | None, lora_dir: Path | None
) -> Checkpoint | None:
    """The checkpoint that a render of the request has left, for the proof of one of its phases."""
    if directory is None:
        return None
    return find_checkpoint(directory, fingerprint_of(loaded.entry, request, loaded.pipe, lora_dir))
