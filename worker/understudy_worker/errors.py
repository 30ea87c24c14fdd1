"""
The exceptions that a worker raises on purpose.

The supervisor receives a failure by the name of its class and classifies it by that name, so a class is never renamed.
"""

from __future__ import annotations


class InvalidParams(Exception):
    """The parameters of a request do not fit the protocol; the message names the first wrong field."""


class Busy(Exception):
    """The device is taken. Nothing has changed, and the same request may be sent again later."""


class Unsupported(Exception):
    """This worker cannot do what was asked on this machine; the message says why."""


class LoraUnsupported(Unsupported):
    """The model, the load profile or the installation cannot take this LoRA."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"LORA_UNSUPPORTED: {reason}")


class RequestError(ValueError):
    """The model cannot render this request as it stands, so a second attempt would fail too."""


class ConfigurationError(Exception):
    """The worker's own settings are wrong. The process ends with exit code 78, and a restart would not help."""


class Interrupted(Exception):
    """Raised out of `on_step` to end a render. `render` must let it pass."""


class Cancelled(Interrupted):
    """The job was cancelled: nobody wants the result any more."""


class Stopped(Interrupted):
    """The process is about to end; the checkpoint has been written."""


class BadOutputError(RuntimeError):
    """The rendered video is useless: black, constant, full of values that are no numbers, or not playable."""


class ModelFilesError(OSError):
    """The files in the model's folder cannot be used: incomplete, of another model, or in a format that is unsafe."""
