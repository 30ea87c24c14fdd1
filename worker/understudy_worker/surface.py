"""What a worker is made of: a class with `load` and `render`, served by `serve`."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from understudy_worker.errors import Unsupported
from understudy_worker.memory import Memory, host_memory, reset_host_peak

Phase = Literal["encode", "denoise", "decode", "mux"]
PHASES: tuple[Phase, ...] = ("encode", "denoise", "decode", "mux")
LOAD_PROFILES = ("full", "model-offload", "tiling", "group-offload", "fp8")
RECOVERY_ACTIONS = (
    "fallback_to_mock",
    "retry_model_download",
    "apply_vram_optimization",
    "restart_pipeline",
    "clear_gpu_cache",
    "reduce_generation_params",
    "enable_cpu_offload",
    "system_health_check",
)
EXPERTS = ("high", "low", "both")


@dataclass(frozen=True)
class Lora:
    name: str
    """A path below the LoRA directory."""
    strength: float
    expert: str = "both"


@dataclass(frozen=True)
class RenderRequest:
    model: str
    prompt: str
    width: int
    height: int
    frames: int
    frames_per_second: float
    steps: int
    seed: int
    lora_path: str | None = None
    lora_strength: float = 1.0
    loras: tuple[Lora, ...] = ()
    image_path: str | None = None


@dataclass(frozen=True)
class Job:
    job_id: str
    fence: int
    request: RenderRequest
    workflow: str | None
    output_path: Path
    """Where the finished file belongs; nothing unfinished ever lies there."""
    checkpoint_dir: Path
    """A newer attempt of the same job finds here what an older one kept."""


@dataclass(frozen=True)
class Rendered:
    """A finished render, where it is to be told more exactly than by the path alone."""

    path: Path
    width: int
    height: int
    """As rendered, before the muxer cropped."""
    steps_rendered: int
    resumed_from_step: int


@dataclass(frozen=True)
class Probe:
    kind: Literal["alive", "canary", "phase"]
    model: str | None = None
    phase: Phase | None = None
    request: RenderRequest | None = None
    checkpoint_dir: Path | None = None


@dataclass(frozen=True)
class DeviceIdentity:
    uuid: str
    name: str
    total_bytes: int


class OnStep(Protocol):
    """
    Tells that `step` of `of` steps of a phase are done; 0 begins the phase. `long_phase_ms` announces how long the
    phase may take without a word. Raises Interrupted when the render is to end.
    """

    def __call__(self, phase: Phase, step: int, of: int, *, long_phase_ms: int | None = None) -> None: ...


@dataclass(frozen=True)
class Applied:
    """What an action really did, in the worker's words; `profile` where the model is placed differently now."""

    applied: Sequence[str] = ()
    profile: str | None = None


Action = Callable[[str | None], Applied]
"""Takes the profile that was named, if one was."""


class Worker:
    """One model at a time on one device. Everything but `kind`, `models` and `admit` is called on the main thread."""

    kind: str = "python"
    models: Sequence[str] = ()
    """By the names that the service's list of models gives them; at least one."""
    profiles: Sequence[str] = ("full",)
    plays_faults: bool = False
    """Whether it takes the test cards of drills; a worker that serves people does not."""

    def load(self, model: str, profile: str, on_ratio: Callable[[float], None]) -> None:
        raise NotImplementedError

    def render(self, job: Job, on_step: OnStep) -> Path | Rendered:
        """Writes `job.output_path`, tells every step, lets Interrupted pass."""
        raise NotImplementedError

    def unload(self) -> None:
        """Gives the device's memory back."""

    def checkpoint(self) -> None:
        """Called inside `on_step` before the process ends: keep what the next attempt needs."""

    def actions(self) -> Mapping[str, Action]:
        return {}

    def prove(self, probe: Probe, on_step: OnStep) -> int:
        """
        Renders a canary, or a phase, and answers how many experts took part; raises what a render would. Here: a whole
        clip of two steps, the smallest one or, for a phase, of the request's size, into a folder that goes away.
        """
        smallest = RenderRequest(probe.model or "", "a red fox runs across fresh snow", 64, 64, 5, 8.0, 2, 1)
        request = smallest if probe.request is None else replace(probe.request, steps=min(2, probe.request.steps))
        with tempfile.TemporaryDirectory(prefix="understudy-proof-") as place:
            self.render(Job("proof", 0, request, None, Path(place) / "proof.mp4", Path(place)), on_step)
        return 1

    def admit(self, job: Job) -> None:
        """Refuses a job that this worker cannot render. Called on the link's thread: look, do not touch."""

    def inject(self, card: str) -> None:
        """Plays a test card from now on."""
        raise Unsupported("this worker plays no faults")

    def why_not(self, profile: str) -> str:
        """Why a profile that is not among `profiles` is not offered here."""
        return f"the profile {profile} is not offered by this worker"

    def settle(self, *, is_clean: bool) -> None:
        """Drops what a render has left; `is_clean` when it came to its end by itself."""

    def identity(self) -> DeviceIdentity:
        name = platform.processor() or platform.machine() or "CPU"
        return DeviceIdentity(
            f"CPU-{os.environ.get('UNDERSTUDY_WORKER_ID', 'worker')}", name, self.memory().total_bytes
        )

    def memory(self) -> Memory:
        return host_memory()

    def reset_peak(self) -> None:
        reset_host_peak()

    def is_device_usable(self) -> bool | None:
        """A tiny piece of work on the device; None when it did not answer."""
        return True
