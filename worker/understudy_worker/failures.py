"""A failure as the supervisor reads it: what was raised, where, and why, without a guess."""

from __future__ import annotations

from typing import Any

from understudy_worker.memory import Memory

LONGEST_MESSAGE = 4_000


def type_name(thrown: BaseException) -> str:
    kind = type(thrown)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def causes_of(thrown: BaseException) -> list[str]:
    """From the nearest cause on, each as `Type: message`."""
    causes: list[str] = []
    seen = {id(thrown)}
    cause = thrown.__cause__ or (None if thrown.__suppress_context__ else thrown.__context__)
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        causes.append(f"{type_name(cause)}: {cause}"[:LONGEST_MESSAGE])
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return causes


def failure_of(thrown: BaseException, phase: str, step: int | None, memory: Memory | None) -> dict[str, Any]:
    """`device_usable` is filled in by whoever has probed the device afterwards."""
    return {
        "phase": phase,
        "step": step,
        "exception_type": type_name(thrown),
        "message": str(thrown)[:LONGEST_MESSAGE],
        "causes": causes_of(thrown),
        "device_usable": None,
        "memory": None if memory is None else memory.wire(),
    }
