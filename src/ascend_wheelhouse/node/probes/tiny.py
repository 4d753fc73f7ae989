"""The tiny model as the server probes use it: made, and its tokens worked out, by the interpreter under test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ..serving import server_check, tiny_model
from .api import ProbeFailedError, last_json_line

_MAKE_SECONDS, _REFERENCE_SECONDS = 300.0, 240.0
_PLAIN = {"TORCHDYNAMO_DISABLE": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
"""Keeps torch from starting compile workers, nine processes and a gigabyte, in what only computes a reference."""


def make_tiny_model(folder: Path, patience: float) -> None:
    """Make the model.

    Raises:
        ProbeFailedError: It could not be made.
    """
    words = [sys.executable, "-s", "-P", tiny_model.__file__, "make", str(folder)]
    _call(words, _MAKE_SECONDS * patience)


def _call(words: Sequence[str], seconds: float) -> str:
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no words"]
        raise ProbeFailedError(
            f"{Path(words[3]).name} {words[4]} ended with status {done.returncode}: {lines[-1]}"
        )
    return done.stdout


class Reference:
    """Works out transformers' tokens in a process beside the starting server."""

    def __init__(self, model: Path, patience: float) -> None:
        ids = json.dumps(server_check.PROMPT_IDS)
        count = str(server_check.NEW_TOKENS)
        words = [sys.executable, "-s", "-P", tiny_model.__file__, "reference", str(model), ids, count]
        self._deadline = time.monotonic() + _REFERENCE_SECONDS * patience
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `end`
        environment = {**os.environ, **_PLAIN}
        self._process = subprocess.Popen(words, env=environment, stdout=self._log, stderr=subprocess.STDOUT)

    def tokens(self) -> Sequence[int]:
        """Return the tokens, waiting for them.

        Raises:
            CheckFailedError: The reference itself failed.
        """
        try:
            status = self._process.wait(max(1.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise server_check.CheckFailedError("transformers gave no tokens in time") from None
        self._log.seek(0)
        said = self._log.read()
        tokens = last_json_line(said).get("tokens", [])
        if status or not tokens:
            words = said.strip().splitlines() or ["no words"]
            raise server_check.CheckFailedError(f"transformers ended with status {status}: {words[-1]}")
        return [int(token) for token in tokens]

    def end(self) -> None:
        """Kill the process where it still runs."""
        self._process.kill()
        self._process.wait()
        self._log.close()
