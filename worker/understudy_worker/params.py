"""Parameters of the protocol's requests, read field by field: the first wrong one is named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from understudy_worker.errors import InvalidParams
from understudy_worker.surface import (
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


class Fields:
    """One object of a message; `where` is what its fields are called in a refusal."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise InvalidParams(f"{where}: expected an object")
        self._value: dict[str, Any] = value
        self._where = where

    def refuse(self, name: str, rule: str) -> InvalidParams:
        separator = ": " if ":" not in self._where else "."
        return InvalidParams(f"{self._where}{separator}{name}: {rule}")

    def text(self, name: str) -> str:
        value = self._value.get(name)
        if not isinstance(value, str):
            raise self.refuse(name, "expected a text")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self._value.get(name) is None else self.text(name)

    def whole(self, name: str, least: int = 0) -> int:
        value = self._value.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.refuse(name, f"expected a whole number of at least {least}")
        return value

    def number(self, name: str) -> float:
        value = self._value.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise self.refuse(name, "expected a number")
        return float(value)

    def one_of(self, name: str, words: Sequence[str]) -> str:
        value = self._value.get(name)
        if value not in words:
            raise self.refuse(name, f"expected one of {', '.join(words)}")
        return cast(str, value)

    def optional_one_of(self, name: str, words: Sequence[str]) -> str | None:
        return None if self._value.get(name) is None else self.one_of(name, words)

    def inner(self, name: str) -> Fields:
        separator = ": " if ":" not in self._where else "."
        return Fields(self._value.get(name), f"{self._where}{separator}{name}")

    def inners(self, name: str) -> list[Fields]:
        values = self._value.get(name)
        if values is None:
            return []
        if not isinstance(values, list):
            raise self.refuse(name, "expected a list")
        separator = ": " if ":" not in self._where else "."
        return [Fields(value, f"{self._where}{separator}{name}.{index}") for index, value in enumerate(values)]


def _lora(fields: Fields) -> Lora:
    expert = fields.optional_one_of("expert", EXPERTS)
    return Lora(name=fields.text("name"), strength=fields.number("strength"), expert=expert or "both")


def render_request(fields: Fields, models: Sequence[str]) -> RenderRequest:
    request = RenderRequest(
        model=fields.one_of("model", models),
        prompt=fields.text("prompt"),
        width=fields.whole("width", 1),
        height=fields.whole("height", 1),
        frames=fields.whole("frames", 1),
        frames_per_second=fields.number("frames_per_second"),
        steps=fields.whole("steps", 1),
        seed=fields.whole("seed"),
        lora_path=fields.optional_text("lora_path"),
        lora_strength=fields.number("lora_strength"),
        loras=tuple(_lora(lora) for lora in fields.inners("loras")),
        image_path=fields.optional_text("image_path"),
    )
    if request.frames_per_second <= 0:
        raise fields.refuse("frames_per_second", "expected a number above 0")
    return request


def job(params: Any, models: Sequence[str]) -> Job:
    fields = Fields(params, "generate")
    return Job(
        job_id=fields.text("job_id"),
        fence=fields.whole("fence"),
        request=render_request(fields.inner("request"), models),
        workflow=fields.optional_text("workflow"),
        output_path=Path(fields.text("output_path")),
        checkpoint_dir=Path(fields.text("checkpoint_dir")),
    )


@dataclass(frozen=True)
class JobName:
    job_id: str
    fence: int


def job_name(method: str, params: Any) -> JobName:
    fields = Fields(params, method)
    return JobName(job_id=fields.text("job_id"), fence=fields.whole("fence"))


def load_order(params: Any, models: Sequence[str]) -> tuple[str, str]:
    fields = Fields(params, "model/load")
    return fields.one_of("model", models), fields.one_of("profile", LOAD_PROFILES)


def action_order(params: Any) -> tuple[str, str | None]:
    fields = Fields(params, "action/run")
    return fields.one_of("action", RECOVERY_ACTIONS), fields.optional_one_of("profile", LOAD_PROFILES)


def probe_order(params: Any, models: Sequence[str]) -> Probe:
    fields = Fields(params, "probe")
    kind = fields.one_of("kind", ("alive", "canary", "phase"))
    if kind == "alive":
        return Probe(kind="alive")
    if kind == "canary":
        return Probe(kind="canary", model=fields.one_of("model", models))
    return Probe(
        kind="phase",
        phase=cast(Phase, fields.one_of("phase", PHASES)),
        request=render_request(fields.inner("request"), models),
        checkpoint_dir=Path(fields.text("checkpoint_dir")),
    )
