"""`invoke` in this very process: the real tasks and options, what they print left to pytest's capture."""

from __future__ import annotations

from pathlib import Path

from invoke.program import Program

from ascend_wheelhouse.commands import usage
from ascend_wheelhouse.commands.tasks import collection

ROOT = Path(__file__).parents[2]


def invoke(*words: str | Path, root: Path = ROOT) -> int:
    """Run a command line in the project folder `root` and return its exit code."""
    usage.propose()
    try:
        Program(namespace=collection(root)).run(["invoke", *map(str, words)])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
