"""Workers for Understudy: `serve(MyWorker())` makes a supervised process of a class with `load` and `render`."""

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
from understudy_worker.surface import (
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
