"""A supervisor for tests: it starts a real worker process and speaks to it over its socket."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from understudy_worker.api import Job
from understudy_worker.framing import encode

TOKEN = "the token of a test"
START_SECONDS = 240.0
"""Importing torch and diffusers takes 12 s of a processor, and others may want it too."""
PATIENCE_SECONDS = 240.0


class Supervisor:
    def __init__(self, environment: dict[str, str], program: list[str] | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="usw-"))
        self.log = self._folder / "worker.log"
        path = str(self._folder / "s")
        given = {**environment, "UNDERSTUDY_WORKER_SOCKET": path, "UNDERSTUDY_WORKER_TOKEN": TOKEN}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-B", *(program or ["-m", "understudy_worker"])], env=given, stdout=log, stderr=log
            )
        self.notifications: list[dict[str, Any]] = []
        self._responses: dict[int, dict[str, Any]] = {}
        self._next = 0
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._connect(path)
            assert "result" in self.ask("initialize", protocol=1, token=TOKEN)
        except BaseException:
            self.close()
            raise

    def _connect(self, path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._socket.connect(path)
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, "the worker did not listen"
                time.sleep(0.05)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._next += 1
        request_id = self._next
        self._socket.sendall(encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}))
        self.wait_until(lambda: request_id in self._responses)
        return self._responses.pop(request_id)

    def wait_until(self, is_so: Callable[[], Any]) -> None:
        """Reads messages until `is_so` returns true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            left = deadline - time.monotonic()
            assert left > 0, self.log.read_text()
            self._socket.settimeout(left)
            content = self._socket.recv(65_536)
            assert content, f"the connection ended: {self.log.read_text()}"
            self._buffer += content
            self._split_messages()

    def _split_messages(self) -> None:
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = int(self._buffer[:end].split(b":")[1])
            if len(self._buffer) < end + 4 + length:
                return
            message = json.loads(self._buffer[end + 4 : end + 4 + length])
            self._buffer = self._buffer[end + 4 + length :]
            if "id" in message:
                self._responses[message["id"]] = message
            else:
                self.notifications.append(message)

    def load(self, model: str) -> None:
        assert "result" in self.ask("model/load", model=model, profile="full")

    def generate(self, job: Job) -> dict[str, Any]:
        request = {**asdict(job.request), "loras": [asdict(lora) for lora in job.request.loras]}
        return self.ask(
            "generate",
            job_id=job.job_id,
            fence=job.fence,
            request=request,
            workflow=None,
            output_path=str(job.output_path),
            checkpoint_dir=str(job.checkpoint_dir),
        )

    def notified(self, method: str) -> list[dict[str, Any]]:
        """Parameters of all notifications of a method so far."""
        return [message["params"] for message in self.notifications if message["method"] == method]

    def denoised_steps(self) -> int:
        steps = (params["step"] for params in self.notified("progress") if params["phase"] == "denoise")
        return max(steps, default=0)

    def exit_code(self) -> int:
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def close(self) -> None:
        self._socket.close()
        if self.process.poll() is None:
            os.kill(self.process.pid, 9)
            self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
