"""The installed program, run in any folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


def clone_into(folder: Path) -> Path:
    """Copy what git knows of the working tree, so that no build leaves anything in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "benchmarks/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


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
