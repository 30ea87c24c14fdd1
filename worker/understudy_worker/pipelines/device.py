"""The device that pipelines run on: the first CUDA card that is visible, or the processor."""

from __future__ import annotations

import gc
import os
import platform
import threading
from collections.abc import Callable

import torch

from understudy_worker.errors import ConfigurationError
from understudy_worker.memory import Memory, host_memory, reset_host_peak
from understudy_worker.surface import DeviceIdentity

PROBE_SECONDS = 10.0


class TorchDevice:
    def __init__(self, name: str | None) -> None:
        wanted = name or ("cuda" if torch.cuda.is_available() else "cpu")
        if wanted == "cuda" and not torch.cuda.is_available():
            raise ConfigurationError("UNDERSTUDY_DEVICE is cuda, but PyTorch finds no CUDA device.")
        self.device = torch.device("cuda", 0) if wanted == "cuda" else torch.device("cpu")
        self.weight_bytes = 0
        """Of the model in place; on the processor nobody else counts them."""

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def identity(self) -> DeviceIdentity:
        if not self.is_cuda:
            worker = os.environ.get("UNDERSTUDY_WORKER_ID", "worker")
            name = platform.processor() or platform.machine() or "CPU"
            return DeviceIdentity(f"CPU-{worker}", name, self.memory().total_bytes)
        found = torch.cuda.get_device_properties(self.device)
        return DeviceIdentity(f"GPU-{found.uuid}", found.name, found.total_memory)

    def memory(self) -> Memory:
        if not self.is_cuda:
            return host_memory(self.weight_bytes)
        try:
            free, total = torch.cuda.mem_get_info(self.device)
        except RuntimeError:
            # A context that is lost answers nothing; the allocator's own numbers need no device.
            free, total = 0, torch.cuda.get_device_properties(self.device).total_memory
        return Memory(
            total_bytes=total,
            allocated_bytes=torch.cuda.memory_allocated(self.device),
            reserved_bytes=torch.cuda.memory_reserved(self.device),
            free_bytes=free,
            peak_bytes=torch.cuda.max_memory_allocated(self.device),
        )

    def reset_peak(self) -> None:
        if self.is_cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            reset_host_peak()

    def clear_cache(self) -> None:
        """Raises on a context that is lost."""
        gc.collect()
        if self.is_cuda:
            torch.cuda.empty_cache()

    def is_usable(self) -> bool | None:
        """A tiny allocation and a wait for it, on a thread of its own: a hung driver must not take this one along."""
        return within(PROBE_SECONDS, self._touch)

    def _touch(self) -> bool:
        try:
            value = torch.ones(1, device=self.device).add_(1)
            if self.is_cuda:
                torch.cuda.synchronize(self.device)
            return float(value) == 2.0
        except torch.OutOfMemoryError:
            # A card that is full is a card that works.
            return True
        except RuntimeError:
            return False


def within(seconds: float, work: Callable[[], bool]) -> bool | None:
    """What `work` answers; None when it has not answered in time."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(work()), name="probe", daemon=True)
    thread.start()
    thread.join(timeout=seconds)
    return answers[0] if answers else None
