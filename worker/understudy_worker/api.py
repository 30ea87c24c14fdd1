"""
The interface that a worker implements: the class `Worker`, and the values that it receives and returns.

A worker of one's own is a subclass with `load` and `render`; every other method has a default that works.
"""

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
    """The video that a job asks for."""

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
    """One attempt to render a request. A later attempt of the same job has a higher fence."""

    job_id: str
    fence: int
    request: RenderRequest
    workflow: str | None
    output_path: Path
    """Where the finished file belongs. An unfinished file must never lie there: it would be taken for the result."""
    checkpoint_dir: Path
    """A folder that the attempts of a job share: the next one finds here what this one has saved."""


@dataclass(frozen=True)
class Rendered:
    """A finished render. A worker that has no more to tell than the path may return just that."""

    path: Path
    width: int
    height: int
    """Before the crop to the size that was asked for."""
    steps_rendered: int
    resumed_from_step: int


@dataclass(frozen=True)
class Probe:
    """A proof that the supervisor asks for: of the device alone, of a loaded model, or of one phase of a request."""

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
    Reports that `step` of the `of` steps of a phase are done; 0 begins the phase. `long_phase_ms` announces how long
    the phase may stay silent, so that it is not taken for a stall. Raises Interrupted when the render is to end.
    """

    def __call__(self, phase: Phase, step: int, of: int, *, long_phase_ms: int | None = None) -> None: ...


@dataclass(frozen=True)
class Applied:
    """
    What an action really changed, in the worker's own words; nothing when there was nothing to change. `profile` names
    the load profile when the action has changed it.
    """

    applied: Sequence[str] = ()
    profile: str | None = None


Action = Callable[[str | None], Applied]
"""Runs a recovery action. It is given the load profile that the supervisor names, or None."""


class Worker:
    """
    Renders with one model at a time on one device.

    Everything is called on the main thread, one call after the other, except `admit` and `inject`: they are called on
    the socket thread, also during a render.
    """

    kind: str = "python"
    models: Sequence[str] = ()
    """The names of its models in the service's list of models; at least one."""
    profiles: Sequence[str] = ("full",)
    plays_faults: bool = False
    """Whether drills may order faults from it. A worker that serves people must not."""

    def load(self, model: str, profile: str, on_ratio: Callable[[float], None]) -> None:
        """Puts the model on the device in place of any other, and reports with `on_ratio` how far it is (0 to 1)."""
        raise NotImplementedError

    def render(self, job: Job, on_step: OnStep) -> Path | Rendered:
        """Writes `job.output_path`, calls `on_step` for every step and lets Interrupted pass."""
        raise NotImplementedError

    def unload(self) -> None:
        """Removes the model and frees the memory of the device."""

    def checkpoint(self) -> None:
        """Saves what the next attempt needs. Called inside `on_step`, before the process ends."""

    def actions(self) -> Mapping[str, Action]:
        """The recovery actions that this worker knows, by their names in RECOVERY_ACTIONS."""
        return {}

    def prove(self, probe: Probe, on_step: OnStep) -> int:
        """
        Renders a canary, or one phase of a request, and returns how many experts took part. Raises what a render would.

        The default renders a whole clip of two steps into a folder that it deletes: the smallest clip as the canary,
        one of the request's size as the proof of a phase.
        """
        smallest = RenderRequest(probe.model or "", "a red fox runs across fresh snow", 64, 64, 5, 8.0, 2, 1)
        request = smallest if probe.request is None else replace(probe.request, steps=min(2, probe.request.steps))
        with tempfile.TemporaryDirectory(prefix="understudy-proof-") as place:
            self.render(Job("proof", 0, request, None, Path(place) / "proof.mp4", Path(place)), on_step)
        return 1

    def admit(self, job: Job) -> None:
        """
        Raises RequestError or Unsupported for a job that this worker cannot render. It is called on the socket thread
        while the main thread may use the device, so it must change nothing.
        """

    def inject(self, card: str) -> None:
        """Provokes a fault, which `card` describes, from now on. Called on the socket thread, for drills."""
        raise Unsupported("this worker plays no faults")

    def why_not(self, profile: str) -> str:
        """Why a load profile is not among `profiles` on this machine."""
        return f"the profile {profile} is not offered by this worker"

    def settle(self, *, is_clean: bool) -> None:
        """Frees what a render or a failed call has left on the device. `is_clean` tells whether it ended well."""

    def identity(self) -> DeviceIdentity:
        """The device. Its uuid must be the one by which the driver's own tools know it."""
        name = platform.processor() or platform.machine() or "CPU"
        return DeviceIdentity(
            f"CPU-{os.environ.get('UNDERSTUDY_WORKER_ID', 'worker')}", name, self.memory().total_bytes
        )

    def memory(self) -> Memory:
        """Memory of the device as it is now."""
        return host_memory()

    def reset_peak(self) -> None:
        """Makes `peak_bytes` count from now on. Called before each render."""
        reset_host_peak()

    def is_device_usable(self) -> bool | None:
        """Whether the device does a tiny piece of work; None when it does not answer in time."""
        return True
