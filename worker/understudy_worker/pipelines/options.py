"""
The diffusers worker's own settings, read from environment variables.

This module imports nothing heavy, so that a wrong setting is reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from understudy_worker.errors import ConfigurationError
from understudy_worker.pipelines.registry import ModelEntry, read_registry
from understudy_worker.settings import positive, required

CHECKPOINT_MS = 30_000.0
DEVICES = ("cuda", "cpu")


@dataclass(frozen=True)
class Options:
    registry: Mapping[str, ModelEntry]
    lora_dir: Path | None
    save_every_ms: float
    device: str | None
    """None: the first CUDA card that is visible, or the processor."""


def read_options(environment: Mapping[str, str]) -> Options:
    """Raises ConfigurationError with a sentence that names what is wrong."""
    device = environment.get("UNDERSTUDY_DEVICE") or None
    if device is not None and device not in DEVICES:
        raise ConfigurationError(f"UNDERSTUDY_DEVICE must be {' or '.join(DEVICES)}, not {device!r}.")
    models_dir = Path(environment.get("UNDERSTUDY_MODELS_DIR", "") or ".")
    lora_dir = environment.get("UNDERSTUDY_LORA_DIR", "")
    return Options(
        registry=read_registry(Path(required(environment, "UNDERSTUDY_MODELS")), models_dir),
        lora_dir=Path(lora_dir) if lora_dir != "" else None,
        save_every_ms=positive(environment, "UNDERSTUDY_CHECKPOINT_MS", CHECKPOINT_MS),
        device=device,
    )
