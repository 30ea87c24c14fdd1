"""
Reads the parameters of requests into typed values.

Everything from the socket passes through here. The first field that does not fit is named in InvalidParams, whose
message the supervisor receives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from understudy_worker.api import (
    EXPERTS,
    LOAD_PROFILES,
    PHASES,
    RECOVERY_ACTIONS,
    Job,
    Lora,
    Phase,
    Probe,
    RenderRequest,
)
from understudy_worker.errors import InvalidParams


class Fields:
    """One object of a message. `where` is the path of the object, with which InvalidParams names its fields."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise InvalidParams(f"{where}: expected an object")
        self._value: dict[str, Any] = value
        self._where = where

    def error(self, name: str, rule: str) -> InvalidParams:
        return InvalidParams(f"{self._path_of(name)}: {rule}")

    def text(self, name: str) -> str:
        value = self._value.get(name)
        if not isinstance(value, str):
            raise self.error(name, "expected a text")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self._value.get(name) is None else self.text(name)

    def integer(self, name: str, minimum: int = 0) -> int:
        value = self._value.get(name)
        # JSON has one type of number: 81.0 is the integer 81.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self.error(name, f"expected a whole number of at least {minimum}")
        return value

    def number(self, name: str) -> float:
        value = self._value.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise self.error(name, "expected a number")
        return float(value)

    def one_of(self, name: str, words: Sequence[str]) -> str:
        value = self._value.get(name)
        if value not in words:
            raise self.error(name, f"expected one of {', '.join(words)}")
        return cast(str, value)

    def optional_one_of(self, name: str, words: Sequence[str]) -> str | None:
        return None if self._value.get(name) is None else self.one_of(name, words)

    def nested(self, name: str) -> Fields:
        return Fields(self._value.get(name), self._path_of(name))

    def nested_list(self, name: str) -> list[Fields]:
        values = self._value.get(name)
        if values is None:
            return []
        if not isinstance(values, list):
            raise self.error(name, "expected a list")
        return [Fields(value, f"{self._path_of(name)}.{index}") for index, value in enumerate(values)]

    def _path_of(self, name: str) -> str:
        """`method: field` at the top of the parameters, `method: field.field` below."""
        separator = ": " if ":" not in self._where else "."
        return f"{self._where}{separator}{name}"


def _lora(fields: Fields) -> Lora:
    expert = fields.optional_one_of("expert", EXPERTS)
    return Lora(name=fields.text("name"), strength=fields.number("strength"), expert=expert or "both")


def render_request(fields: Fields, models: Sequence[str]) -> RenderRequest:
    request = RenderRequest(
        model=fields.one_of("model", models),
        prompt=fields.text("prompt"),
        width=fields.integer("width", 1),
        height=fields.integer("height", 1),
        frames=fields.integer("frames", 1),
        frames_per_second=fields.number("frames_per_second"),
        steps=fields.integer("steps", 1),
        seed=fields.integer("seed"),
        lora_path=fields.optional_text("lora_path"),
        lora_strength=fields.number("lora_strength"),
        loras=tuple(_lora(lora) for lora in fields.nested_list("loras")),
        image_path=fields.optional_text("image_path"),
    )
    if request.frames_per_second <= 0:
        raise fields.error("frames_per_second", "expected a number above 0")
    return request


def job(params: Any, models: Sequence[str]) -> Job:
    fields = Fields(params, "generate")
    return Job(
        job_id=fields.text("job_id"),
        fence=fields.integer("fence"),
        request=render_request(fields.nested("request"), models),
        workflow=fields.optional_text("workflow"),
        output_path=Path(fields.text("output_path")),
        checkpoint_dir=Path(fields.text("checkpoint_dir")),
    )


@dataclass(frozen=True)
class AttemptRef:
    """Names one attempt of a job: a later attempt of the same job has a higher fence."""

    job_id: str
    fence: int


def attempt_ref(method: str, params: Any) -> AttemptRef:
    fields = Fields(params, method)
    return AttemptRef(job_id=fields.text("job_id"), fence=fields.integer("fence"))


def load_params(params: Any, models: Sequence[str]) -> tuple[str, str]:
    fields = Fields(params, "model/load")
    return fields.one_of("model", models), fields.one_of("profile", LOAD_PROFILES)


def action_params(params: Any) -> tuple[str, str | None]:
    fields = Fields(params, "action/run")
    return fields.one_of("action", RECOVERY_ACTIONS), fields.optional_one_of("profile", LOAD_PROFILES)


def probe_params(params: Any, models: Sequence[str]) -> Probe:
    fields = Fields(params, "probe")
    kind = fields.one_of("kind", ("alive", "canary", "phase"))
    if kind == "alive":
        return Probe(kind="alive")
    if kind == "canary":
        return Probe(kind="canary", model=fields.one_of("model", models))
    return Probe(
        kind="phase",
        phase=cast(Phase, fields.one_of("phase", PHASES)),
        request=render_request(fields.nested("request"), models),
        checkpoint_dir=Path(fields.text("checkpoint_dir")),
    )
