"""How much memory the device has and uses, in bytes. Without a graphics card the host's memory is reported instead."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

KIBIBYTE = 1024


@dataclass(frozen=True)
class Memory:
    total_bytes: int
    allocated_bytes: int
    """Held by weights and by the running work."""
    reserved_bytes: int
    """Allocated memory, and what the allocator keeps to hand out again."""
    free_bytes: int
    peak_bytes: int

    def wire(self) -> dict[str, int]:
        """As the protocol carries it."""
        return {
            "total_bytes": self.total_bytes,
            "allocated_bytes": self.allocated_bytes,
            "reserved_bytes": self.reserved_bytes,
            "free_bytes": self.free_bytes,
            "peak_bytes": self.peak_bytes,
        }


def _kibibytes_of(path: str, name: str) -> int | None:
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * KIBIBYTE
    return None


def host_memory(allocated_bytes: int = 0) -> Memory:
    """The host's memory as this process sees it. `allocated_bytes` are the weights that the caller knows of."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page
    available = _kibibytes_of("/proc/meminfo", "MemAvailable")
    resident = max(_kibibytes_of("/proc/self/status", "VmRSS") or 0, allocated_bytes)
    return Memory(
        total_bytes=total,
        allocated_bytes=allocated_bytes,
        reserved_bytes=min(total, resident),
        free_bytes=total - min(total, resident) if available is None else available,
        peak_bytes=max(_kibibytes_of("/proc/self/status", "VmHWM") or 0, resident),
    )


def reset_host_peak() -> None:
    """
    Makes the peak count from now on (proc(5), clear_refs). Where the kernel forbids it, the peak is that of the
    process's whole life.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return
