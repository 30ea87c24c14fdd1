"""
Lets a pipeline begin in the middle of its denoising, where another process has stopped.

diffusers has no start step: the loop of a pipeline runs over `scheduler.timesteps` after `set_timesteps`. So the
pipeline is given a proxy of its scheduler. The proxy's `set_timesteps` restores the saved state, and its `timesteps`
are those that are left, while the scheduler itself counts over all of them (UniPC lowers its order at the end of the
whole render, not of the rest).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch

SCHEDULER_STATE: dict[str, tuple[str, ...]] = {
    "UniPCMultistepScheduler": (
        "model_outputs",
        "timestep_list",
        "last_sample",
        "lower_order_nums",
        "this_order",
        "_step_index",
    ),
    "FlowMatchEulerDiscreteScheduler": ("_step_index",),
    # No state: each step depends on its timestep alone.
    "CogVideoXDDIMScheduler": (),
}
"""The attributes that each scheduler carries from step to step. A class that is not listed cannot be resumed."""

State = dict[str, Any]
NOISE = "noise"
"""Key of the noise generator's state beside the scheduler's: some pipelines draw noise after the last step too."""


def can_resume(scheduler: Any) -> bool:
    return type(scheduler).__name__ in SCHEDULER_STATE


def capture_state(scheduler: Any) -> State:
    return {name: getattr(scheduler, name) for name in SCHEDULER_STATE[type(scheduler).__name__]}


def restore_state(scheduler: Any, state: State, device: torch.device) -> None:
    for name, value in state.items():
        if name != NOISE:
            setattr(scheduler, name, _to(value, device))


def restore_noise(generator: torch.Generator, state: State | None) -> None:
    """Makes the next noise the one that the uninterrupted render would have drawn."""
    if state is not None:
        generator.set_state(state[NOISE])


def _to(value: Any, device: torch.device) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device)
    return [_to(inner, device) for inner in value] if isinstance(value, list) else value


class ResumedScheduler:
    """A proxy of a scheduler, for one call of the pipeline, that begins at the step `start`."""

    def __init__(self, inner: Any, state: State, start: int) -> None:
        self._inner = inner
        self._start = start

        # Pipelines look at the signature to find out whether they may pass noise levels, so it must stay as it was.
        @wraps(inner.set_timesteps)
        def set_timesteps(*args: Any, device: Any = None, **kwargs: Any) -> None:
            inner.set_timesteps(*args, device=device, **kwargs)
            restore_state(inner, state, torch.device(device or "cpu"))

        self.set_timesteps = set_timesteps

    @property
    def timesteps(self) -> torch.Tensor:
        left: torch.Tensor = self._inner.timesteps[self._start :]
        return left

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Does nothing: the restored state says at which step the scheduler is."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def resuming(pipe: Any, state: State, start: int) -> Iterator[None]:
    """While it is open, the pipeline begins at the step `start` with the saved state."""
    inner = pipe.scheduler
    # A pipeline's own __setattr__ would write the proxy's class into its configuration.
    object.__setattr__(pipe, "scheduler", ResumedScheduler(inner, state, start))
    try:
        yield
    finally:
        object.__setattr__(pipe, "scheduler", inner)
