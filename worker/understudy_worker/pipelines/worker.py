"""The diffusers worker: one model at a time, its phases apart, each render able to go on after a death."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from understudy_worker.errors import Unsupported
from understudy_worker.memory import Memory
from understudy_worker.pipelines import lora, prove
from understudy_worker.pipelines.device import TorchDevice
from understudy_worker.pipelines.experts import denoisers
from understudy_worker.pipelines.leftovers import drop_leftovers
from understudy_worker.pipelines.load import as_image_pipeline, load_pipeline, weight_bytes
from understudy_worker.pipelines.options import Options
from understudy_worker.pipelines.placement import IN_PLACE, move, place, profiles_of, set_tiling, why_not
from understudy_worker.pipelines.plan import plan
from understudy_worker.pipelines.prove import Bench
from understudy_worker.pipelines.registry import ModelEntry, check_pipelines
from understudy_worker.pipelines.run import RenderRun, kept_for, latents_of, start_of
from understudy_worker.surface import (
    Action,
    Applied,
    DeviceIdentity,
    Job,
    OnStep,
    Probe,
    Rendered,
    Worker,
)


class DiffusersWorker(Worker):
    kind = "diffusers"

    def __init__(self, options: Options) -> None:
        check_pipelines(options.registry)
        self._registry = options.registry
        self._lora_dir = options.lora_dir
        self._save_every_ms = options.save_every_ms
        self._device = TorchDevice(options.device)
        self._bench: Bench | None = None
        self._profile = "full"
        self._run: RenderRun | None = None
        self.models = list(self._registry)
        self.profiles = profiles_of(self._device)

    # Where it lies

    def load(self, model: str, profile: str, on_ratio: Callable[[float], None]) -> None:
        entry = self._registry[model]
        self.unload()
        pipe = load_pipeline(entry, on_ratio)
        self._device.weight_bytes = weight_bytes(pipe)
        self._bench = Bench(pipe, entry, _picture_pipe(pipe, entry))
        try:
            self._place(profile)
        except Exception:
            # Half a model on the card is in the way of the next try.
            self.unload()
            raise
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

    def admit(self, job: Job) -> None:
        if job.workflow is not None:
            raise Unsupported("a workflow is for a worker that takes graphs, such as ComfyUI's")
        entry = self._registry[job.request.model]
        plan(entry, job.request)
        lora.check(job.request, entry, self._lora_dir)

    def render(self, job: Job, on_step: OnStep) -> Rendered:
        bench = self._need_bench()
        self._run = RenderRun(bench, job, self._lora_dir, profile=self._profile, is_cuda=self._device.is_cuda)
        return self._run.run(self._save_every_ms, on_step)

    def checkpoint(self) -> None:
        if self._run is not None:
            self._run.checkpoint()

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
        kept = kept_for(bench, probe.request, probe.checkpoint_dir, self._lora_dir)
        is_final = kept is not None and kept.is_final
        start = start_of(None if is_final else kept)
        latents = latents_of(kept) if kept is not None and is_final else None
        return prove.phase(bench, probe.phase, probe.request, start, latents)

    def settle(self, *, is_clean: bool) -> None:
        self._run = None
        if self._bench is None:
            self._device.clear_cache()
        elif not is_clean:
            self._clear()
        else:
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
    return pipe if entry.image_pipeline is None else as_image_pipeline(pipe, entry.image_pipeline)
