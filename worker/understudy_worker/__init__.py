"""
Rendering workers for Understudy.

`serve(MyWorker())` turns a class with `load` and `render` into a process that the supervisor can start, watch and
repair. This module is the whole public interface; `understudy_worker.mux` writes the video file.
"""

from understudy_worker.api import (
    Action,
    Applied,
    DeviceIdentity,
    Job,
    OnStep,
    Probe,
    Rendered,
    RenderRequest,
    Worker,
)
from understudy_worker.errors import (
    BadOutputError,
    Cancelled,
    ConfigurationError,
    Interrupted,
    LoraUnsupported,
    RequestError,
    Stopped,
    Unsupported,
)
from understudy_worker.memory import Memory
from understudy_worker.serve import serve

__all__ = [
    "Action",
    "Applied",
    "BadOutputError",
    "Cancelled",
    "ConfigurationError",
    "DeviceIdentity",
    "Interrupted",
    "Job",
    "LoraUnsupported",
    "Memory",
    "OnStep",
    "Probe",
    "RenderRequest",
    "Rendered",
    "RequestError",
    "Stopped",
    "Unsupported",
    "Worker",
    "serve",
]
