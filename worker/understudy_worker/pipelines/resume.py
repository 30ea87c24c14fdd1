"""
A denoising that goes on where another process stopped.

diffusers has no start step: its loop runs over `scheduler.timesteps` after `set_timesteps`. So the pipeline is shown a
scheduler whose `set_timesteps` puts the kept state back and whose `timesteps` are the ones that are left, while the
scheduler itself counts over all of them (UniPC lowers its order at the end of the whole, not of the rest).
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
    # Each step is a function of its timestep alone.
    "CogVideoXDDIMScheduler": (),
}
"""What each scheduler carries from one step to the next; one that is not listed cannot be resumed."""

State = dict[str, Any]
NOISE = "noise"
"""In a state the generator's own, beside the scheduler's: some pipelines draw noise after the last step too."""


def can_resume(scheduler: Any) -> bool:
    return type(scheduler).__name__ in SCHEDULER_STATE


def capture(scheduler: Any) -> State:
    return {name: getattr(scheduler, name) for name in SCHEDULER_STATE[type(scheduler).__name__]}


def restore(scheduler: Any, state: State, device: torch.device) -> None:
    for name, value in state.items():
        if name != NOISE:
            setattr(scheduler, name, _to(value, device))


def draw_on(generator: torch.Generator, state: State | None) -> None:
    """The next noise is the one that the uninterrupted render would have drawn."""
    if state is not None:
        generator.set_state(state[NOISE])


def _to(value: Any, device: torch.device) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device)
    return [_to(inner, device) for inner in value] if isinstance(value, list) else value


class ResumedScheduler:
    """Stands before a scheduler for one call of the pipeline."""

    def __init__(self, inner: Any, state: State, start: int) -> None:
        self._inner = inner
        self._start = start

        # A pipeline looks at the signature to see whether it may name the noise levels itself.
        @wraps(inner.set_timesteps)
        def set_timesteps(*args: Any, device: Any = None, **kwargs: Any) -> None:
            inner.set_timesteps(*args, device=device, **kwargs)
            restore(inner, state, torch.device(device or "cpu"))

        self.set_timesteps = set_timesteps

    @property
    def timesteps(self) -> torch.Tensor:
        left: torch.Tensor = self._inner.timesteps[self._start :]
        return left

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Kept from the scheduler: the state that was put back says where it is."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def resuming(pipe: Any, state: State, start: int) -> Iterator[None]:
    inner = pipe.scheduler
    # Past the pipeline's own __setattr__, which would write the stand-in's class into the configuration.
    object.__setattr__(pipe, "scheduler", ResumedScheduler(inner, state, start))
    try:
        yield
    finally:
        object.__setattr__(pipe, "scheduler", inner)
