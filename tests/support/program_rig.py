"""The installed program, run in any folder."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Installed:
    """Where the program was installed, and the home of who runs it.

    Args:
        place: What `pip install --target` filled: it stands before the clone on Python's path.
        home: A home with nothing in it.
    """

    place: Path
    home: Path

    @property
    def environ(self) -> dict[str, str]:
        """The environment that the program and shells are run in."""
        return {
            "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.place),
            "HOME": str(self.home),
            "WHEELHOUSE_STORE": str(self.home / "store"),
        }

    def run(
        self, *words: str | Path, cwd: Path, environ: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line of the program."""
        return subprocess.run(
            ["ascend-wheelhouse", *map(str, words)],
            cwd=cwd,
            env={**self.environ, **(environ or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
