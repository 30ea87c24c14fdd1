"""One render: encode, denoise, decode and mux, each apart, so that none is repeated for the sake of another."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from understudy_worker.mux import Clip, write_clip
from understudy_worker.pipelines import lora
from understudy_worker.pipelines.checkpoint import Checkpoint, CorruptCheckpoint, read_checkpoint, write_checkpoint
from understudy_worker.pipelines.decode import decode, pictures
from understudy_worker.pipelines.denoise import Order, Progress, Saver, Start, denoise
from understudy_worker.pipelines.fingerprint import fingerprint_of
from understudy_worker.pipelines.handover import Latents
from understudy_worker.pipelines.picture import read_picture
from understudy_worker.pipelines.plan import decode_limit_ms, encode_limit_ms, plan
from understudy_worker.pipelines.prove import Bench
from understudy_worker.serve import say
from understudy_worker.surface import Job, OnStep, Rendered, RenderRequest

REST = "rest"
"""What final latents are decoded with, among what lies beside them."""
MUX_PARTS = 10
MUX_LIMIT_MS = 60_000
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class RenderRun:
    """Goes on from the job's checkpoint, where there is one of this very render."""

    def __init__(self, bench: Bench, job: Job, lora_dir: Path | None, *, profile: str, is_cuda: bool) -> None:
        self._bench = bench
        self._job = job
        self._lora_dir = lora_dir
        self._is_cuda = is_cuda
        self._envelope = plan(bench.entry, job.request)
        self._pipe = bench.pipe if job.request.image_path is None else bench.picture_pipe
        self._fingerprint = fingerprint_of(bench.entry, job.request, bench.pipe, lora_dir)
        self._placed = {"profile": profile}
        self._latest: Progress | None = None
        self._rendered = 0

    def run(self, save_every_ms: float, on_step: OnStep) -> Rendered:
        kept = self._kept()
        on_step("encode", 0, 1, long_phase_ms=encode_limit_ms(is_cuda=self._is_cuda))
        if kept is not None and kept.is_final:
            steps = self._job.request.steps
            on_step("encode", 1, 1)
            on_step("denoise", steps, steps)
            latents = latents_of(kept)
        else:
            latents = self._denoised(start_of(kept), save_every_ms, on_step)
        video = self._decoded(latents, on_step)
        del latents
        self._mux(video, on_step)
        resumed = 0 if kept is None else kept.step
        return Rendered(self._job.output_path, self._envelope.width, self._envelope.height, self._rendered, resumed)

    def checkpoint(self) -> None:
        """Of the latest step; nothing for a scheduler whose state is not known."""
        latest = self._latest
        if latest is not None and latest.state is not None:
            self._write(latest.step, latest.latents, latest.state, is_final=False)

    def _kept(self) -> Checkpoint | None:
        kept = kept_of(self._job.checkpoint_dir, self._fingerprint)
        if kept is not None and kept.placed != self._placed:
            say(f"the checkpoint of step {kept.step} was made with {kept.placed}, and goes on with {self._placed}")
        return kept

    def _denoised(self, start: Start, save_every_ms: float, on_step: OnStep) -> Latents:
        request = self._job.request
        encoded: list[bool] = []

        def on_encoded() -> None:
            encoded.append(True)
            on_step("encode", 1, 1)
            on_step("denoise", start.step, request.steps)

        order = Order(request, self._envelope, read_picture(request.image_path, self._envelope))
        follow = self._follower(Saver(save_every_ms), on_step)
        with lora.loras_of(self._pipe, request, self._lora_dir):
            latents = denoise(self._pipe, self._bench.entry, order, start, on_encoded, follow)
        # With every step done before, no pass has said it.
        if not encoded:
            on_encoded()
        # The decode may fail, or end the process: what was denoised is kept for it.
        beside = {REST: list(latents.rest)}
        self._write(request.steps, latents.tensor, beside, is_final=True)
        self._latest = None
        return latents

    def _follower(self, saver: Saver, on_step: OnStep) -> Callable[[Progress], None]:
        steps = self._job.request.steps

        def follow(progress: Progress) -> None:
            self._latest = progress
            self._rendered += 1
            if saver.is_due() and progress.step < steps:
                self.checkpoint()
            on_step("denoise", progress.step, steps)

        return follow

    def _write(self, step: int, latents: torch.Tensor, beside: dict[str, Any], *, is_final: bool) -> None:
        checkpoint = Checkpoint(self._fingerprint, step, is_final, latents, beside, self._placed)
        try:
            write_checkpoint(self._job.checkpoint_dir, checkpoint)
        except OSError as thrown:
            if thrown.errno not in NO_ROOM:
                raise
            # A render does not end for want of its own insurance; the checkpoint before this one stands.
            say(f"no room for the checkpoint of step {step}")

    def _decoded(self, latents: Latents, on_step: OnStep) -> torch.Tensor:
        envelope = self._envelope
        on_step("decode", 0, 1, long_phase_ms=decode_limit_ms(envelope, is_cuda=self._is_cuda))
        video = decode(self._pipe, latents, say)
        found = (video.shape[4], video.shape[3], video.shape[2])
        if found != (envelope.width, envelope.height, envelope.frames):
            raise RuntimeError(f"diffusers rendered {found}, not {envelope}: the list of models does not fit the model")
        on_step("decode", 1, 1)
        return video

    def _mux(self, video: torch.Tensor, on_step: OnStep) -> None:
        request = self._job.request
        every = max(1, request.frames // MUX_PARTS)
        on_step("mux", 0, request.frames, long_phase_ms=MUX_LIMIT_MS)

        def on_frame(count: int) -> None:
            if count % every == 0 and count < request.frames:
                on_step("mux", count, request.frames)

        clip = Clip(request.width, request.height, request.frames, request.frames_per_second)
        write_clip(self._job.output_path, pictures(video), clip, on_frame)
        on_step("mux", request.frames, request.frames)


def kept_of(directory: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint of this very render. One that is damaged is said and not used."""
    try:
        return read_checkpoint(directory, fingerprint)
    except CorruptCheckpoint as thrown:
        say(f"checkpoint refused, the render begins anew: {thrown}")
        return None


def start_of(kept: Checkpoint | None) -> Start:
    if kept is None:
        return Start()
    return Start(kept.step, kept.latents, kept.beside)


def latents_of(kept: Checkpoint) -> Latents:
    return Latents(kept.latents, tuple(kept.beside[REST]))


def kept_for(bench: Bench, request: RenderRequest, directory: Path | None, lora_dir: Path | None) -> Checkpoint | None:
    """What a render of the request has left for a proof of one phase."""
    return None if directory is None else kept_of(directory, fingerprint_of(bench.entry, request, bench.pipe, lora_dir))
