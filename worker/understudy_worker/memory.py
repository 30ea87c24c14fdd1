"""Memory of the device, in bytes; on a machine without a card the device is the process itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

KIBIBYTE = 1024


@dataclass(frozen=True)
class Memory:
    total_bytes: int
    allocated_bytes: int
    """What the weights and the work in hand take."""
    reserved_bytes: int
    """Allocated, plus what is kept for later."""
    free_bytes: int
    peak_bytes: int

    def wire(self) -> dict[str, int]:
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
    """The host's memory as this process holds it; `allocated_bytes` are the weights it knows of."""
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
    """The peak counts from here (proc(5), clear_refs); where the kernel forbids it the process's whole life counts."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return
