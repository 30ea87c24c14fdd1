"""What a worker raises on purpose."""

from __future__ import annotations


class InvalidParams(Exception):
    """Parameters that do not fit the protocol; the message names the field."""


class Busy(Exception):
    """The device is taken: nothing has changed, ask later."""


class Unsupported(Exception):
    """This worker cannot do that here, and the message says why."""


class LoraUnsupported(Unsupported):
    """A LoRA that this model, profile or installation cannot take."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"LORA_UNSUPPORTED: {reason}")


class RequestError(ValueError):
    """A request that this model cannot render as it was asked; asking again does not help."""


class ConfigurationError(Exception):
    """The worker's own settings are wrong: exit code 78."""


class Interrupted(Exception):
    """Raised out of `on_step`: let it pass. The render is to end here."""


class Cancelled(Interrupted):
    """Nobody wants the result any more."""


class Stopped(Interrupted):
    """The process is to end; what a checkpoint needs has been kept."""


class BadOutputError(RuntimeError):
    """What was rendered is not a video that anybody wants: black, constant, not a number, not playable."""


class ModelFilesError(OSError):
    """The model's folder cannot be used as it lies there."""
