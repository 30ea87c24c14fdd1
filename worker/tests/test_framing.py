"""Messages on the socket: their bytes, and what is done with bytes that are no message."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from understudy_worker import framing
from understudy_worker.rpc import request_of


def read_all(content: bytes) -> list[Any]:
    async def read() -> list[Any]:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        messages = []
        while (message := await framing.read(reader)) is not None:
            messages.append(message)
        return messages

    return asyncio.run(read())


def test_what_is_encoded_is_read_back_one_message_after_the_other() -> None:
    first, second = {"id": 1, "method": "attach", "params": {"name": "Füchsin 🦊"}}, {"id": 2, "result": [None, 0.5]}
    assert read_all(framing.encode(first) + framing.encode(second)) == [first, second]


def test_what_json_does_not_know_is_sent_as_near_as_it_can_be_said() -> None:
    message = {
        "step": np.int64(3),
        "ratio": np.float32(0.5),
        "nothing": float("nan"),
        "text": "half \udcff",
        "path": Path("/a"),
        "sizes": (np.int32(1), [float("inf")]),
        "fine": [True, None, 7, 0.25, "Füchsin"],
    }
    plain = {
        "step": 3,
        "ratio": 0.5,
        "nothing": None,
        "text": "half ?",
        "path": "/a",
        "sizes": [1, [None]],
        "fine": [True, None, 7, 0.25, "Füchsin"],
    }
    assert read_all(framing.encode(message)) == [plain]


def test_the_length_counts_bytes_and_not_characters() -> None:
    header, _, body = framing.encode({"word": "雪"}).partition(b"\r\n\r\n")
    assert int(header.split(b": ")[1]) == len(body)


def test_a_header_may_hold_more_than_the_length_in_any_case() -> None:
    body = b'{"id":1}'
    content = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-LENGTH: 8\r\n\r\n" + body
    assert read_all(content) == [{"id": 1}]


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        b"Content-Length: nine\r\n\r\n{}",
        b"Content-Length: 9\r\n\r\nnot json!",
        b"Content-Length: 99999999999\r\n\r\n{}",
        b"\0" * 100_000,
    ],
)
def test_what_is_not_a_frame_is_refused(content: bytes) -> None:
    with pytest.raises(framing.FramingError):
        read_all(content)


def test_a_message_that_was_cut_off_ends_the_stream() -> None:
    assert read_all(framing.encode({"id": 1})[:-2]) == []


@pytest.mark.parametrize(
    "message", [[], {"result": {}, "id": 1}, {"method": "attach"}, {"method": "attach", "id": True}, 7]
)
def test_only_a_request_with_an_id_is_answered(message: object) -> None:
    assert request_of(message) is None
