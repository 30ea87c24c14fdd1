"""
Socket and heartbeat, in a thread of their own.

A new connection with the token replaces the old one. Nothing here ends the process but being orphaned for long with a
main thread that is blocked: such a process cannot end by itself.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from understudy_worker import framing
from understudy_worker.errors import ConfigurationError, InvalidParams
from understudy_worker.params import Fields
from understudy_worker.pulse import Pulse
from understudy_worker.rpc import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    METHODS,
    PROTOCOL_MISMATCH,
    PROTOCOL_VERSION,
    UNAUTHORIZED,
    Refusal,
    Request,
    answer,
    notification,
    request_of,
)
from understudy_worker.settings import Settings

HEARTBEAT_SECONDS = 1.0
BLOCKED_MS = 2_000
"""Without a turn for so long an orphan's main thread is blocked for good."""
LONGEST_BACKLOG_BYTES = 1024 * 1024
"""Beyond it a supervisor that does not read misses progress and heartbeats, never an answer or an end."""

Outcome = dict[str, Any] | Refusal
Reply = Callable[[Outcome], None]


class Clerk(Protocol):
    """Who answers: on the link's thread, at once or later."""

    def identity(self) -> dict[str, Any]: ...
    def take(self, method: str, params: Any, reply: Reply) -> None: ...
    def orphaned(self) -> None: ...


class Link:
    def __init__(self, settings: Settings, pulse: Pulse, clerk: Clerk) -> None:
        self._settings = settings
        self._pulse = pulse
        self._clerk = clerk
        self._loop = asyncio.new_event_loop()
        self._current: asyncio.StreamWriter | None = None
        self._orphan: asyncio.TimerHandle | None = None
        self._ended = threading.Event()
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise ConfigurationError(
                f"The socket {self._settings.socket_path} cannot be opened: {self._failure}."
            ) from self._failure

    def notify(self, method: str, params: dict[str, Any]) -> None:
        """From any thread; nobody may be there to hear it."""
        self._loop.call_soon_threadsafe(self._notify, method, params)

    def finish(self, limit_seconds: float) -> None:
        """Everything that was said is written out, then the connection ends."""
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._drain()))
        self._ended.wait(timeout=limit_seconds)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.create_task(self._listen())
        self._loop.run_forever()

    async def _listen(self) -> None:
        path = self._settings.socket_path
        try:
            with suppress(FileNotFoundError):
                os.unlink(path)
            self._server = await asyncio.start_unix_server(self._serve, path, limit=framing.LONGEST_HEADER_BYTES * 2)
            os.chmod(path, 0o600)
        except OSError as thrown:
            self._failure = thrown
            self._ready.set()
            return
        self._arm_orphan()
        self._beating = self._loop.create_task(self._beat())
        self._ready.set()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self._notify("heartbeat", {"main_thread_idle_ms": self._pulse.idle_ms()})

    async def _drain(self) -> None:
        if self._current is not None:
            with suppress(ConnectionError):
                await self._current.drain()
                self._current.close()
                await self._current.wait_closed()
        self._ended.set()

    def _notify(self, method: str, params: dict[str, Any]) -> None:
        writer = self._current
        if writer is None or writer.is_closing():
            return
        backlog = writer.transport.get_write_buffer_size()
        if backlog > LONGEST_BACKLOG_BYTES and method in ("progress", "heartbeat"):
            return
        writer.write(framing.encode(notification(method, params)))

    def _arm_orphan(self) -> None:
        self._disarm_orphan()
        self._orphan = self._loop.call_later(self._settings.orphan_ms / 1_000, self._on_orphaned)

    def _disarm_orphan(self) -> None:
        if self._orphan is not None:
            self._orphan.cancel()

    def _on_orphaned(self) -> None:
        if self._current is not None:
            return
        if self._pulse.idle_ms() > max(BLOCKED_MS, self._settings.orphan_ms):
            os.kill(os.getpid(), signal.SIGKILL)
        self._clerk.orphaned()
        # A render that is under way is finished first.
        self._arm_orphan()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (message := await framing.read(reader)) is not None:
                request = request_of(message)
                if request is not None:
                    self._take(request, writer)
        except framing.FramingError:
            # A connection that does not speak the protocol ends alone.
            pass
        finally:
            writer.close()
            if self._current is writer:
                self._current = None
                self._arm_orphan()

    def _take(self, request: Request, writer: asyncio.StreamWriter) -> None:
        def reply(outcome: Outcome) -> None:
            self._loop.call_soon_threadsafe(self._write, writer, answer(request, outcome))

        if request.method not in METHODS:
            self._write(writer, answer(request, Refusal(METHOD_NOT_FOUND, f"there is no method {request.method[:60]}")))
        elif request.method == "initialize":
            self._write(writer, answer(request, self._initialize(request.params, writer)))
        elif self._current is not writer:
            self._write(writer, answer(request, Refusal(UNAUTHORIZED, "initialize comes first")))
        else:
            self._clerk.take(request.method, request.params, reply)

    def _write(self, writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
        if not writer.is_closing():
            writer.write(framing.encode(message))

    def _initialize(self, params: Any, writer: asyncio.StreamWriter) -> Outcome:
        try:
            fields = Fields(params, "initialize")
            protocol, token = fields.whole("protocol"), fields.text("token")
        except InvalidParams as thrown:
            return Refusal(INVALID_PARAMS, str(thrown))
        if not hmac.compare_digest(token.encode(), self._settings.token.encode()):
            return Refusal(UNAUTHORIZED, "the token is wrong")
        if protocol != PROTOCOL_VERSION:
            return Refusal(PROTOCOL_MISMATCH, f"this worker speaks protocol {PROTOCOL_VERSION}")
        former, self._current = self._current, writer
        if former is not None and former is not writer:
            former.close()
        self._disarm_orphan()
        return {"protocol": PROTOCOL_VERSION, "pid": os.getpid(), "simulated": False, **self._clerk.identity()}
