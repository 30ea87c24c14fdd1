"""The device that pipelines run on, the first visible CUDA card or the processor: its identity, memory and health."""

from __future__ import annotations

import gc
import os
import platform
import threading
from collections.abc import Callable

import torch

from understudy_worker.api import DeviceIdentity
from understudy_worker.errors import ConfigurationError
from understudy_worker.memory import Memory, host_memory, reset_host_peak

PROBE_SECONDS = 10.0


class TorchDevice:
    def __init__(self, name: str | None) -> None:
        wanted = name or ("cuda" if torch.cuda.is_available() else "cpu")
        if wanted == "cuda" and not torch.cuda.is_available():
            raise ConfigurationError("UNDERSTUDY_DEVICE is cuda, but PyTorch finds no CUDA device.")
        self.device = torch.device("cuda", 0) if wanted == "cuda" else torch.device("cpu")
        self.weight_bytes = 0
        """Weights of the loaded model. On the processor no allocator counts them."""

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
            # A lost context answers no question. The allocator's own numbers are kept on the host and still hold.
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
        """Gives unused memory back to the driver. Raises RuntimeError on a lost context."""
        gc.collect()
        if self.is_cuda:
            torch.cuda.empty_cache()

    def is_usable(self) -> bool | None:
        """
        Whether a tiny allocation and a kernel succeed; None when the driver does not answer in time. They run on a
        thread of their own, because a call into a hung driver never returns.
        """
        return result_within(PROBE_SECONDS, self._touch)

    def _touch(self) -> bool:
        try:
            value = torch.ones(1, device=self.device).add_(1)
            if self.is_cuda:
                torch.cuda.synchronize(self.device)
            return float(value) == 2.0
        except torch.OutOfMemoryError:
            # A full card works.
            return True
        except RuntimeError:
            return False


def result_within(seconds: float, work: Callable[[], bool]) -> bool | None:
    """The result of `work`, or None when it takes longer; its thread is then left behind."""
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(work()), name="probe", daemon=True)
    thread.start()
    thread.join(timeout=seconds)
    return results[0] if results else None
