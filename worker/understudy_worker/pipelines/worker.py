"""The diffusers worker: one model at a time, its phases apart, each render able to go on after a death."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from understudy_worker.errors import Unsupported
from understudy_worker.memory import Memory
from understudy_worker.mux import Clip, write_clip
from understudy_worker.pipelines import lora, prove
from understudy_worker.pipelines.checkpoint import Checkpoint, CorruptCheckpoint, read_checkpoint, write_checkpoint
from understudy_worker.pipelines.decode import decode, pictures
from understudy_worker.pipelines.denoise import Progress, Saver, Start, denoise, encode
from understudy_worker.pipelines.device import TorchDevice
from understudy_worker.pipelines.fingerprint import fingerprint_of
from understudy_worker.pipelines.kinds import KINDS, denoisers
from understudy_worker.pipelines.leftovers import drop_leftovers
from understudy_worker.pipelines.load import as_image_pipeline, load_pipeline, weight_bytes
from understudy_worker.pipelines.picture import read_picture
from understudy_worker.pipelines.placement import IN_PLACE, move, place, profiles_of, set_tiling, why_not
from understudy_worker.pipelines.plan import Envelope, decode_limit_ms, encode_limit_ms, plan
from understudy_worker.pipelines.prove import Bench
from understudy_worker.pipelines.registry import DEFAULT_REGISTRY, ModelEntry, read_registry
from understudy_worker.serve import say
from understudy_worker.settings import positive
from understudy_worker.surface import (
    MODEL_IDS,
    Action,
    Applied,
    DeviceIdentity,
    Job,
    OnStep,
    Probe,
    Rendered,
    RenderRequest,
    Worker,
)

CHECKPOINT_MS = 30_000.0
MUX_PARTS = 10


@dataclass
class _InHand:
    """The render in hand: what a checkpoint of it is made of."""

    directory: Path
    fingerprint: str
    placed: dict[str, str]
    latest: Progress | None = None
    resumed_from: int = 0
    rendered: int = 0


class DiffusersWorker(Worker):
    kind = "diffusers"

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        models_dir = Path(environment.get("UNDERSTUDY_MODELS_DIR", "") or ".")
        self._registry = read_registry(Path(environment.get("UNDERSTUDY_MODELS", "") or DEFAULT_REGISTRY), models_dir)
        lora_dir = environment.get("UNDERSTUDY_LORA_DIR", "")
        self._lora_dir = Path(lora_dir) if lora_dir != "" else None
        self._save_every_ms = positive(environment, "UNDERSTUDY_CHECKPOINT_MS", CHECKPOINT_MS)
        self._device = TorchDevice(environment.get("UNDERSTUDY_DEVICE") or None)
        self._bench: Bench | None = None
        self._profile = "full"
        self._in_hand: _InHand | None = None
        # The protocol has a list of models; others can be rendered through this class, not over the wire.
        self.models = [model for model in self._registry if model in MODEL_IDS]
        self.profiles = profiles_of(self._device)

    # Where it lies

    def load(self, model: str, profile: str, on_ratio: Callable[[float], None]) -> None:
        entry = self._registry[model]
        self.unload()
        pipe = load_pipeline(entry, on_ratio)
        self._device.weight_bytes = weight_bytes(pipe)
        self._bench = Bench(pipe, entry, _picture_pipe(pipe, entry))
        self._place(profile)
        on_ratio(1.0)

    def unload(self) -> None:
        bench, self._bench = self._bench, None
        if bench is not None and self._device.is_cuda:
            bench.pipe.remove_all_hooks()
        del bench
        self._device.weight_bytes = 0
        self._device.clear_cache()

    def why_not(self, profile: str) -> str:
        return why_not(profile)

    def _place(self, profile: str) -> None:
        bench = self._need_bench()
        if profile not in bench.entry.profiles:
            raise Unsupported(f"the profile {profile} is not offered for {bench.entry.model}")
        place(bench.pipe, profile, self._device)
        self._profile = profile

    def _need_bench(self) -> Bench:
        if self._bench is None:
            raise RuntimeError("no model is loaded")
        return self._bench

    # What it renders

    def admit(self, request: RenderRequest) -> None:
        entry = self._registry[request.model]
        plan(entry, request)
        lora.check(request, entry, self._lora_dir)

    def render(self, job: Job, on_step: OnStep) -> Rendered:
        bench, request = self._need_bench(), job.request
        envelope = plan(bench.entry, request)
        pipe = bench.pipe if request.image_path is None else bench.picture_pipe
        fingerprint = fingerprint_of(bench.entry, request, bench.pipe, self._lora_dir)
        self._in_hand = _InHand(job.checkpoint_dir, fingerprint, {"profile": self._profile})
        latents = self._latents(pipe, request, envelope, self._in_hand, on_step)
        video = self._decoded(pipe, latents, envelope, on_step)
        del latents
        self._mux(job, video, on_step)
        done = self._in_hand
        return Rendered(job.output_path, envelope.width, envelope.height, done.rendered, done.resumed_from)

    def _latents(
        self, pipe: Any, request: RenderRequest, envelope: Envelope, in_hand: _InHand, on_step: OnStep
    ) -> torch.Tensor:
        entry = self._need_bench().entry
        kept = _kept(in_hand)
        in_hand.resumed_from = 0 if kept is None else kept.step
        on_step("encode", 0, 1, long_phase_ms=encode_limit_ms(is_cuda=self._device.is_cuda))
        if kept is not None and kept.is_final:
            on_step("encode", 1, 1)
            on_step("denoise", request.steps, request.steps)
            return kept.latents
        with lora.loras_of(pipe, request, self._lora_dir):
            prompt = encode(pipe, entry, request.prompt)
            on_step("encode", 1, 1)
            picture = read_picture(request.image_path, envelope)
            start = _start_of(kept)
            on_step("denoise", start.step, request.steps)
            follow = self._follower(in_hand, request.steps, on_step)
            latents = denoise(pipe, entry, request, envelope, prompt, picture, start, follow)
        # The decode may fail, or end the process: what was denoised is kept for it.
        self._write(in_hand, request.steps, latents, {}, is_final=True)
        in_hand.latest = None
        return latents

    def _follower(self, in_hand: _InHand, steps: int, on_step: OnStep) -> Callable[[Progress], None]:
        saver = Saver(self._save_every_ms)

        def follow(progress: Progress) -> None:
            in_hand.latest = progress
            in_hand.rendered += 1
            if saver.is_due() and progress.step < steps:
                self.checkpoint()
            on_step("denoise", progress.step, steps)

        return follow

    def checkpoint(self) -> None:
        in_hand = self._in_hand
        latest = None if in_hand is None else in_hand.latest
        if in_hand is None or latest is None or latest.scheduler is None:
            return
        self._write(in_hand, latest.step, latest.latents, latest.scheduler, is_final=False)

    def _write(
        self, in_hand: _InHand, step: int, latents: torch.Tensor, scheduler: dict[str, Any], *, is_final: bool
    ) -> None:
        write_checkpoint(
            in_hand.directory,
            Checkpoint(in_hand.fingerprint, step, is_final, latents, scheduler, in_hand.placed),
        )

    def _decoded(self, pipe: Any, latents: torch.Tensor, envelope: Envelope, on_step: OnStep) -> torch.Tensor:
        on_step("decode", 0, 1, long_phase_ms=decode_limit_ms(envelope, is_cuda=self._device.is_cuda))
        kind = KINDS[self._need_bench().entry.pipeline]
        video = decode(pipe, kind, latents, envelope.frames, say)
        found = (video.shape[4], video.shape[3], video.shape[2])
        if found != (envelope.width, envelope.height, envelope.frames):
            raise RuntimeError(f"diffusers rendered {found}, not {envelope}: the list of models does not fit the model")
        on_step("decode", 1, 1)
        return video

    def _mux(self, job: Job, video: torch.Tensor, on_step: OnStep) -> None:
        request = job.request
        every = max(1, request.frames // MUX_PARTS)
        on_step("mux", 0, request.frames, long_phase_ms=60_000)

        def on_frame(count: int) -> None:
            if count % every == 0 and count < request.frames:
                on_step("mux", count, request.frames)

        clip = Clip(request.width, request.height, request.frames, request.frames_per_second)
        write_clip(job.output_path, pictures(video), clip, on_frame)
        on_step("mux", request.frames, request.frames)

    # What repairs and proves it

    def actions(self) -> Mapping[str, Action]:
        return {
            "clear_gpu_cache": lambda _: Applied(self._clear()),
            "apply_vram_optimization": self._optimise,
            "enable_cpu_offload": self._offload,
        }

    def _clear(self) -> Sequence[str]:
        return [] if self._bench is None else drop_leftovers(self._bench.pipe)

    def _optimise(self, profile: str | None) -> Applied:
        """Tiles, and the attention backend that the list names. Named `full` or `model-offload`, it is undone."""
        bench = self._need_bench()
        is_on = profile not in ("full", "model-offload")
        applied = (
            ["vae.enable_tiling" if is_on else "vae.disable_tiling"] if set_tiling(bench.pipe, is_on=is_on) else []
        )
        backend = bench.entry.lean_attention
        if backend is not None:
            for module in denoisers(bench.pipe):
                module.set_attention_backend(backend) if is_on else module.reset_attention_backend()  # type: ignore[operator]
            applied.append(f"attention {backend}" if is_on else "attention reset")
        return Applied(applied)

    def _offload(self, profile: str | None) -> Applied:
        """The next leaner profile, or the one that is named; in place where there is a way, else by a reload."""
        bench = self._need_bench()
        offered = [word for word in self.profiles if word in bench.entry.profiles]
        if profile is not None and profile not in offered:
            raise Unsupported(why_not(profile))
        leaner = offered[offered.index(self._profile) + 1 :]
        to = profile or (leaner[0] if leaner else None)
        if to is None or to == self._profile:
            return Applied()
        if {to, self._profile} <= IN_PLACE:
            move(bench.pipe, to, self._device)
            self._profile = to
        else:
            self.load(bench.entry.model, to, lambda _: None)
        return Applied([f"profile {to}"], to)

    def prove(self, probe: Probe, on_step: OnStep) -> int:
        if probe.kind == "canary":
            return prove.canary(self._need_bench())
        if probe.phase is None or probe.request is None:
            return 0
        bench = self._need_bench()
        kept = None
        if probe.checkpoint_dir is not None:
            name = fingerprint_of(bench.entry, probe.request, bench.pipe, self._lora_dir)
            kept = _kept(_InHand(probe.checkpoint_dir, name, {}))
        return prove.phase(bench, probe.phase, probe.request, _start_of(kept))

    def settle(self, *, is_clean: bool) -> None:
        self._in_hand = None
        if not is_clean:
            self._clear()
        elif self._bench is not None:
            # The VAE was moved to the card by its own decode, after the pipeline had put its models back.
            self._bench.pipe.maybe_free_model_hooks()

    def identity(self) -> DeviceIdentity:
        return self._device.identity()

    def memory(self) -> Memory:
        return self._device.memory()

    def reset_peak(self) -> None:
        self._device.reset_peak()

    def is_device_usable(self) -> bool | None:
        return self._device.is_usable()


def _picture_pipe(pipe: Any, entry: ModelEntry) -> Any:
    image_class = KINDS[entry.pipeline].image_class
    return pipe if entry.image == "none" or image_class is None else as_image_pipeline(pipe, image_class)


def _kept(in_hand: _InHand) -> Checkpoint | None:
    try:
        kept = read_checkpoint(in_hand.directory, in_hand.fingerprint)
    except CorruptCheckpoint as thrown:
        say(f"checkpoint refused, the render begins anew: {thrown}")
        return None
    if kept is not None and in_hand.placed and kept.placed != in_hand.placed:
        say(f"checkpoint of step {kept.step} was made with {kept.placed}, and goes on with {in_hand.placed}")
    return kept


def _start_of(kept: Checkpoint | None) -> Start:
    if kept is None:
        return Start()
    return Start(kept.step, kept.latents, None if kept.is_final else kept.scheduler)
