"""
The Unix socket that the supervisor connects to, served by a thread of its own.

The thread reads requests, writes responses and notifications, and sends heartbeats, also while the main thread is busy
with a render. A new connection with the right token replaces the old one, so that a supervisor which was restarted can
take the worker over. When no supervisor comes back for long, the process is asked to end; one whose main thread is
blocked could not do so and is killed.
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
from understudy_worker.heartbeat import Heartbeat
from understudy_worker.params import Fields
from understudy_worker.rpc import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    METHODS,
    PROTOCOL_MISMATCH,
    PROTOCOL_VERSION,
    UNAUTHORIZED,
    ErrorResponse,
    Request,
    notification,
    request_of,
    response,
)
from understudy_worker.settings import Settings

HEARTBEAT_SECONDS = 1.0
BLOCKED_MS = 2_000
"""The main thread of an orphaned process counts as blocked for good when it has not beaten for so long."""
MAX_BACKLOG_BYTES = 1024 * 1024
"""Above it a supervisor that does not read loses progress and heartbeats, but no response and no end of a job."""

Result = dict[str, Any] | ErrorResponse
Reply = Callable[[Result], None]


class Dispatcher(Protocol):
    """Handles requests. It is called on the socket thread, and may reply at once or later from any thread."""

    def identity(self) -> dict[str, Any]: ...
    def dispatch(self, method: str, params: Any, reply: Reply) -> None: ...
    def on_orphaned(self) -> None: ...


class SocketServer:
    def __init__(self, settings: Settings, heartbeat: Heartbeat, dispatcher: Dispatcher) -> None:
        self._settings = settings
        self._heartbeat = heartbeat
        self._dispatcher = dispatcher
        self._loop = asyncio.new_event_loop()
        self._current: asyncio.StreamWriter | None = None
        self._orphan_timer: asyncio.TimerHandle | None = None
        self._ended = threading.Event()
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="socket", daemon=True)

    def start(self) -> None:
        """Returns once the socket listens. Raises ConfigurationError when it cannot be opened."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise ConfigurationError(
                f"The socket {self._settings.socket_path} cannot be opened: {self._failure}."
            ) from self._failure

    def notify(self, method: str, params: dict[str, Any]) -> None:
        """Sends a notification, from any thread. It is dropped when no supervisor is connected."""
        self._loop.call_soon_threadsafe(self._notify, method, params)

    def finish(self, limit_seconds: float) -> None:
        """Waits until everything has been written, or the limit has passed, and closes the connection."""
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
            self._server = await asyncio.start_unix_server(self._serve, path, limit=framing.MAX_HEADER_BYTES * 2)
            os.chmod(path, 0o600)
        except OSError as thrown:
            self._failure = thrown
            self._ready.set()
            return
        self._arm_orphan_timer()
        # The loop holds its tasks weakly: without this reference the heartbeats could be collected.
        self._heartbeats = self._loop.create_task(self._send_heartbeats())
        self._ready.set()

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self._notify("heartbeat", {"main_thread_idle_ms": self._heartbeat.idle_ms()})

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
        if backlog > MAX_BACKLOG_BYTES and method in ("progress", "heartbeat"):
            return
        writer.write(framing.encode(notification(method, params)))

    def _arm_orphan_timer(self) -> None:
        self._disarm_orphan_timer()
        self._orphan_timer = self._loop.call_later(self._settings.orphan_ms / 1_000, self._on_orphaned)

    def _disarm_orphan_timer(self) -> None:
        if self._orphan_timer is not None:
            self._orphan_timer.cancel()

    def _on_orphaned(self) -> None:
        if self._current is not None:
            return
        if self._heartbeat.idle_ms() > max(BLOCKED_MS, self._settings.orphan_ms):
            # Whatever blocks the main thread keeps it from its own end too.
            os.kill(os.getpid(), signal.SIGKILL)
        self._dispatcher.on_orphaned()
        # The dispatcher lets a render finish first, so it is asked again later.
        self._arm_orphan_timer()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (message := await framing.read(reader)) is not None:
                request = request_of(message)
                if request is not None:
                    self._handle(request, writer)
        except framing.FramingError:
            # A peer that does not speak the protocol loses its connection; the worker and its render go on.
            pass
        finally:
            writer.close()
            if self._current is writer:
                self._current = None
                self._arm_orphan_timer()

    def _handle(self, request: Request, writer: asyncio.StreamWriter) -> None:
        def reply(result: Result) -> None:
            self._loop.call_soon_threadsafe(self._write, writer, response(request, result))

        if request.method not in METHODS:
            unknown = ErrorResponse(METHOD_NOT_FOUND, f"there is no method {request.method[:60]}")
            self._write(writer, response(request, unknown))
        elif request.method == "initialize":
            self._write(writer, response(request, self._initialize(request.params, writer)))
        elif self._current is not writer:
            self._write(writer, response(request, ErrorResponse(UNAUTHORIZED, "initialize comes first")))
        else:
            self._dispatcher.dispatch(request.method, request.params, reply)

    def _write(self, writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
        if not writer.is_closing():
            writer.write(framing.encode(message))

    def _initialize(self, params: Any, writer: asyncio.StreamWriter) -> Result:
        try:
            fields = Fields(params, "initialize")
            protocol, token = fields.integer("protocol"), fields.text("token")
        except InvalidParams as thrown:
            return ErrorResponse(INVALID_PARAMS, str(thrown))
        if not hmac.compare_digest(token.encode(), self._settings.token.encode()):
            return ErrorResponse(UNAUTHORIZED, "the token is wrong")
        if protocol != PROTOCOL_VERSION:
            return ErrorResponse(PROTOCOL_MISMATCH, f"this worker speaks protocol {PROTOCOL_VERSION}")
        former, self._current = self._current, writer
        if former is not None and former is not writer:
            former.close()
        self._disarm_orphan_timer()
        return {"protocol": PROTOCOL_VERSION, "pid": os.getpid(), "simulated": False, **self._dispatcher.identity()}
