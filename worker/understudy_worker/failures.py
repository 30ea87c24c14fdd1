"""Describes an exception for the supervisor: type, message, causes and place. The supervisor does the classifying."""

from __future__ import annotations

from typing import Any

from understudy_worker.memory import Memory

MAX_MESSAGE_CHARS = 4_000
"""Some of PyTorch's messages carry whole C++ stack traces."""


def type_name(thrown: BaseException) -> str:
    """With its module, unless it is built in: two libraries may use one name for different errors."""
    kind = type(thrown)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def causes_of(thrown: BaseException) -> list[str]:
    """The chain of causes as `Type: message`, the nearest first."""
    causes: list[str] = []
    # A chain can be circular when code sets `__cause__` by hand.
    seen = {id(thrown)}
    cause = thrown.__cause__ or (None if thrown.__suppress_context__ else thrown.__context__)
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        causes.append(f"{type_name(cause)}: {cause}"[:MAX_MESSAGE_CHARS])
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return causes


def failure_of(thrown: BaseException, phase: str, step: int | None, memory: Memory | None) -> dict[str, Any]:
    """`device_usable` stays None until the device has been probed, which the caller does once memory is freed."""
    return {
        "phase": phase,
        "step": step,
        "exception_type": type_name(thrown),
        "message": str(thrown)[:MAX_MESSAGE_CHARS],
        "causes": causes_of(thrown),
        "device_usable": None,
        "memory": None if memory is None else memory.wire(),
    }
