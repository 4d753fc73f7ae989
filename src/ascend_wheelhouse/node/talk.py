"""How the tools on a node speak: lines for a person on standard error, one answer on standard output.

With `--json` the answer is one object, so that a cluster tool can read it; the lines stay where they are.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import WheelhouseError
from .plain import plain


@dataclass(frozen=True, kw_only=True)
class Talk:
    """Speaks for one run.

    Args:
        as_json: Answer with one JSON object.
        started: The clock's reading at the start, for the seconds before each line.
    """

    as_json: bool = False
    started: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Say what is being done now."""
        print(f"[{time.monotonic() - self.started:6.1f}s] {plain(text)}", file=sys.stderr, flush=True)

    def answer(self, text: str, facts: Mapping[str, Any]) -> None:
        """Give the answer of the run, in words or as an object."""
        print(json.dumps(facts, indent=1, sort_keys=True) if self.as_json else plain(text), flush=True)

    def fail(self, error: WheelhouseError) -> int:
        """Tell an error and return the exit code that belongs to it."""
        if self.as_json:
            print(json.dumps(error.as_dict(), indent=1, sort_keys=True), flush=True)
        print(f"error: {plain(str(error))}", file=sys.stderr, flush=True)
        return error.exit_code
