"""LSP framing: `Content-Length: N`, an empty line, N bytes of UTF-8 JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

LONGEST_HEADER_BYTES = 4_096
LONGEST_BODY_BYTES = 8 * 1024 * 1024


class FramingError(Exception):
    """What came is not a frame; the connection cannot be read any further."""


def encode(message: dict[str, Any]) -> bytes:
    body = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def body_bytes(header: bytes) -> int:
    """The length that a header block announces."""
    for line in header.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or name.strip().lower() != b"content-length":
            continue
        if not value.strip().isdigit():
            raise FramingError("Content-Length is not a number")
        length = int(value)
        if length > LONGEST_BODY_BYTES:
            raise FramingError(f"a message of {length} bytes is too long")
        return length
    raise FramingError("the header has no Content-Length")


async def read(reader: asyncio.StreamReader) -> Any:
    """The next message; None at the end of the stream. Raises FramingError for what is not a frame."""
    try:
        header = await reader.readuntil(b"\r\n\r\n")
        if len(header) > LONGEST_HEADER_BYTES:
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
