"""
Reads and writes messages on the socket, framed as in the Language Server Protocol: `Content-Length: N`, an empty line,
N bytes of JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

MAX_HEADER_BYTES = 4_096
MAX_BODY_BYTES = 8 * 1024 * 1024


class FramingError(Exception):
    """The bytes are not a frame. Where the next one would begin is unknown, so the connection is useless."""


def encode(message: dict[str, Any]) -> bytes:
    """
    Always succeeds: values that JSON does not know are replaced by the nearest ones that it does. The supervisor waits
    for each message, so a message with an odd number in it is better than none.
    """
    try:
        body = _json(message)
    except (TypeError, ValueError):
        body = _json(_plain(message))
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _json(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    """The value as JSON can carry it, without NaN, infinity, lone surrogates or the number types of NumPy."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(content) for key, content in value.items()}
    for number_of in (operator.index, float):
        try:
            number = number_of(value)
        except (TypeError, ValueError):
            continue
        return number if math.isfinite(number) else None
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return [_plain(content) for content in value]
    return _plain(str(value))


def body_bytes(header: bytes) -> int:
    """The length of the body, as the header block gives it. Other headers are ignored, as LSP demands."""
    for line in header.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or name.strip().lower() != b"content-length":
            continue
        if not value.strip().isdigit():
            raise FramingError("Content-Length is not a number")
        length = int(value)
        if length > MAX_BODY_BYTES:
            raise FramingError(f"a message of {length} bytes is too long")
        return length
    raise FramingError("the header has no Content-Length")


async def read(reader: asyncio.StreamReader) -> Any:
    """The next message, or None at the end of the stream. Raises FramingError for bytes that are not a frame."""
    try:
        header = await reader.readuntil(b"\r\n\r\n")
        if len(header) > MAX_HEADER_BYTES:
            raise FramingError("the header is too long")
        body = await reader.readexactly(body_bytes(header))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except asyncio.LimitOverrunError as cause:
        raise FramingError("the header does not end") from cause
    try:
        return json.loads(body)
    except ValueError as cause:
        raise FramingError("the body is not JSON") from cause
