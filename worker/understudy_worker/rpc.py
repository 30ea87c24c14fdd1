"""JSON-RPC 2.0: the shape of its messages, and the methods and error codes of the worker protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PROTOCOL_VERSION = 1

METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
UNAUTHORIZED = -32001
BUSY = -32002
UNSUPPORTED = -32003
FAILED = -32004
PROTOCOL_MISMATCH = -32005

METHODS = frozenset(
    {
        "initialize",
        "model/load",
        "model/unload",
        "generate",
        "attach",
        "job/ack",
        "cancel",
        "action/run",
        "probe",
        "stats",
        "shutdown",
        "fault/inject",
    }
)


@dataclass(frozen=True)
class Request:
    id: int | str
    method: str
    params: Any


@dataclass(frozen=True)
class ErrorResponse:
    """The `error` of a response: why a request was refused, or how it failed."""

    code: int
    message: str
    data: dict[str, Any] | None = None


def request_of(message: Any) -> Request | None:
    """
    The request in a message that arrived; None for anything else.

    Notifications and responses are ignored and not refused: the supervisor sends neither, and JSON-RPC forbids a
    response to them.
    """
    if not isinstance(message, dict) or not isinstance(message.get("method"), str):
        return None
    request_id = message.get("id")
    # bool is a subclass of int in Python, and no id in JSON-RPC.
    if not isinstance(request_id, int | str) or isinstance(request_id, bool):
        return None
    params = message.get("params")
    return Request(request_id, message["method"], {} if params is None else params)


def response(request: Request, result: dict[str, Any] | ErrorResponse) -> dict[str, Any]:
    head = {"jsonrpc": "2.0", "id": request.id}
    if not isinstance(result, ErrorResponse):
        return {**head, "result": result}
    error: dict[str, Any] = {"code": result.code, "message": result.message}
    return {**head, "error": error if result.data is None else {**error, "data": result.data}}


def notification(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}
