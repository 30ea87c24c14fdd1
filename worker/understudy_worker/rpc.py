"""JSON-RPC 2.0: messages and the codes of the worker protocol."""

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
class Refusal:
    code: int
    message: str
    data: dict[str, Any] | None = None


@dataclass(frozen=True)
class Request:
    id: int | str
    method: str
    params: Any


def request_of(message: Any) -> Request | None:
    """A request that wants an answer; None for everything else, which is let go by."""
    if not isinstance(message, dict) or not isinstance(message.get("method"), str):
        return None
    name = message.get("id")
    if not isinstance(name, int | str) or isinstance(name, bool):
        return None
    params = message.get("params")
    return Request(name, message["method"], {} if params is None else params)


def answer(request: Request, outcome: dict[str, Any] | Refusal) -> dict[str, Any]:
    head = {"jsonrpc": "2.0", "id": request.id}
    if not isinstance(outcome, Refusal):
        return {**head, "result": outcome}
    error: dict[str, Any] = {"code": outcome.code, "message": outcome.message}
    return {**head, "error": error if outcome.data is None else {**error, "data": outcome.data}}


def notification(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}
