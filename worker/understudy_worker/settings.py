"""The settings of every worker, which the supervisor passes in environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from understudy_worker.errors import ConfigurationError

TEN_MINUTES_MS = 600_000
SOCKET = "UNDERSTUDY_WORKER_SOCKET"
TOKEN = "UNDERSTUDY_WORKER_TOKEN"  # noqa: S105, the variable's name
ORPHAN = "UNDERSTUDY_ORPHAN_MS"


@dataclass(frozen=True)
class Settings:
    socket_path: str
    token: str
    orphan_ms: float
    """How long a worker without a connection waits for a supervisor before it ends by itself."""


def required(environment: Mapping[str, str], name: str) -> str:
    """The variable's value. Raises ConfigurationError when it is missing or empty."""
    value = environment.get(name, "")
    if value == "":
        raise ConfigurationError(f"The environment variable {name} is missing.")
    return value


def positive(environment: Mapping[str, str], name: str, default: float) -> float:
    """The variable's value as a number above 0. Raises ConfigurationError for anything else."""
    text = environment.get(name, "")
    if text == "":
        return default
    try:
        value = float(text)
    except ValueError as cause:
        raise ConfigurationError(f"{name} must be a number, not {text!r}.") from cause
    if not value > 0 or value == float("inf"):
        raise ConfigurationError(f"{name} must be a number above 0.")
    return value


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises ConfigurationError with a sentence that names the variable."""
    socket_path = required(environment, SOCKET)
    folder = Path(socket_path).parent
    if not folder.is_dir():
        raise ConfigurationError(f"The socket {socket_path} cannot be opened: there is no folder {folder}.")
    return Settings(
        socket_path=socket_path,
        token=required(environment, TOKEN),
        orphan_ms=positive(environment, ORPHAN, TEN_MINUTES_MS),
    )
