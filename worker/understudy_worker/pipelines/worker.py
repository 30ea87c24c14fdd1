"""
The worker that renders with diffusers: Wan 2.2 and any other video pipeline.

This class connects the worker's interface with the modules of this package; it decides nothing about a render itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from understudy_worker.api import (
    Action,
    Applied,
    DeviceIdentity,
    Job,
    OnStep,
    Probe,
    Rendered,
    Worker,
)
from understudy_worker.errors import Unsupported
from understudy_worker.memory import Memory
from understudy_worker.pipelines import lora, prove
from understudy_worker.pipelines.cleanup import free_leftovers
from understudy_worker.pipelines.device import TorchDevice
from understudy_worker.pipelines.experts import denoisers
from understudy_worker.pipelines.load import as_image_pipeline, load_pipeline, weight_bytes
from understudy_worker.pipelines.loaded_model import LoadedModel
from understudy_worker.pipelines.options import Options
from understudy_worker.pipelines.placement import IN_PLACE, move, place, profiles_of, set_tiling, why_not
from understudy_worker.pipelines.registry import ModelEntry, check_pipelines
from understudy_worker.pipelines.render_run import RenderRun, find_checkpoint_for, latents_in, start_point_of
from understudy_worker.pipelines.render_size import render_size


class DiffusersWorker(Worker):
    kind = "diffusers"

    def __init__(self, options: Options) -> None:
        check_pipelines(options.registry)
        self._registry = options.registry
        self._lora_dir = options.lora_dir
        self._save_every_ms = options.save_every_ms
        self._device = TorchDevice(options.device)
        self._loaded: LoadedModel | None = None
        self._profile = "full"
        self._run: RenderRun | None = None
        self.models = list(self._registry)
        self.profiles = profiles_of(self._device)

    # Loading and placing the model

    def load(self, model: str, profile: str, on_ratio: Callable[[float], None]) -> None:
        entry = self._registry[model]
        self.unload()
        pipe = load_pipeline(entry, on_ratio)
        self._device.weight_bytes = weight_bytes(pipe)
        self._loaded = LoadedModel(pipe, entry, _image_pipe(pipe, entry))
        try:
            self._place(profile)
        except Exception:
            # Half a model on the card would take the memory that the next load needs.
            self.unload()
            raise
        on_ratio(1.0)

    def unload(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded is not None and self._device.is_cuda:
            loaded.pipe.remove_all_hooks()
        del loaded
        self._device.weight_bytes = 0
        self._device.clear_cache()

    def why_not(self, profile: str) -> str:
        return why_not(profile)

    def _place(self, profile: str) -> None:
        loaded = self._require_model()
        if profile not in loaded.entry.profiles:
            raise Unsupported(f"the profile {profile} is not offered for {loaded.entry.model}")
        place(loaded.pipe, profile, self._device)
        self._profile = profile

    def _require_model(self) -> LoadedModel:
        if self._loaded is None:
            raise RuntimeError("no model is loaded")
        return self._loaded

    # Rendering

    def admit(self, job: Job) -> None:
        if job.workflow is not None:
            raise Unsupported("a workflow is for a worker that takes graphs, such as ComfyUI's")
        entry = self._registry[job.request.model]
        render_size(entry, job.request)
        lora.check(job.request, entry, self._lora_dir)

    def render(self, job: Job, on_step: OnStep) -> Rendered:
        loaded = self._require_model()
        self._run = RenderRun(loaded, job, self._lora_dir, profile=self._profile, is_cuda=self._device.is_cuda)
        return self._run.run(self._save_every_ms, on_step)

    def checkpoint(self) -> None:
        if self._run is not None:
            self._run.checkpoint()

    # Recovery actions and proofs

    def actions(self) -> Mapping[str, Action]:
        return {
            "clear_gpu_cache": lambda _: Applied(self._clear()),
            "apply_vram_optimization": self._optimize,
            "enable_cpu_offload": self._offload,
        }

    def _clear(self) -> Sequence[str]:
        return [] if self._loaded is None else free_leftovers(self._loaded.pipe)

    def _optimize(self, profile: str | None) -> Applied:
        """
        Turns on tiled decoding and the attention backend that the list of models names. With the profile `full` or
        `model-offload` it turns both off again.
        """
        loaded = self._require_model()
        is_on = profile not in ("full", "model-offload")
        applied = (
            ["vae.enable_tiling" if is_on else "vae.disable_tiling"] if set_tiling(loaded.pipe, is_on=is_on) else []
        )
        backend = loaded.entry.lean_attention
        if backend is not None:
            for module in denoisers(loaded.pipe):
                module.set_attention_backend(backend) if is_on else module.reset_attention_backend()  # type: ignore[operator]
            applied.append(f"attention {backend}" if is_on else "attention reset")
        return Applied(applied)

    def _offload(self, profile: str | None) -> Applied:
        """Changes to the named profile, or to the next that needs less memory, by a reload if it must be."""
        loaded = self._require_model()
        offered = [word for word in self.profiles if word in loaded.entry.profiles]
        if profile is not None and profile not in offered:
            raise Unsupported(why_not(profile))
        leaner = offered[offered.index(self._profile) + 1 :]
        to = profile or (leaner[0] if leaner else None)
        if to is None or to == self._profile:
            return Applied()
        if {to, self._profile} <= IN_PLACE:
            move(loaded.pipe, to, self._device)
            self._profile = to
        else:
            self.load(loaded.entry.model, to, lambda _: None)
        return Applied([f"profile {to}"], to)

    def prove(self, probe: Probe, on_step: OnStep) -> int:
        if probe.kind == "canary":
            return prove.canary(self._require_model())
        if probe.phase is None or probe.request is None:
            return 0
        loaded = self._require_model()
        checkpoint = find_checkpoint_for(loaded, probe.request, probe.checkpoint_dir, self._lora_dir)
        is_final = checkpoint is not None and checkpoint.is_final
        start = start_point_of(None if is_final else checkpoint)
        latents = latents_in(checkpoint) if checkpoint is not None and is_final else None
        return prove.phase(loaded, probe.phase, probe.request, start, latents)

    def settle(self, *, is_clean: bool) -> None:
        self._run = None
        if self._loaded is None:
            self._device.clear_cache()
        elif not is_clean:
            self._clear()
        else:
            # The decode has moved the VAE to the card, after the pipeline had offloaded its models.
            self._loaded.pipe.maybe_free_model_hooks()

    def identity(self) -> DeviceIdentity:
        return self._device.identity()

    def memory(self) -> Memory:
        return self._device.memory()

    def reset_peak(self) -> None:
        self._device.reset_peak()

    def is_device_usable(self) -> bool | None:
        return self._device.is_usable()


def _image_pipe(pipe: Any, entry: ModelEntry) -> Any:
    return pipe if entry.image_pipeline is None else as_image_pipeline(pipe, entry.image_pipeline)
