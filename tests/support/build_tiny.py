"""Builds the tiny component in a process of its own: `build_tiny.py ROOT [STEP...]`, each step a shell line."""

from __future__ import annotations

import sys
from pathlib import Path

from making_builds import cell
from tiny import tiny_job

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.base.events import JobProgress, silent
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.sandbox import find_sandbox
from ascend_wheelhouse.build.toolchain import find_toolchain


def main(root: Path, lines: list[str]) -> int:
    """Build and print `built` or `cached` with the digest, or the error."""
    job, store = tiny_job(root, cell({"torch": "2.8.0"}), *(("sh", "-c", line) for line in lines))

    def tell(event: object) -> None:
        if isinstance(event, JobProgress):
            print(event.line, flush=True)  # noqa: T201 - a test reads it

    builder = Builder(store=store, sandbox=find_sandbox(), emit=tell if lines else silent)
    try:
        (wheel,) = builder.build(job, find_toolchain({}))
    except WheelhouseError as error:
        print(type(error).__name__, error, flush=True)  # noqa: T201
        return 1
    print("cached" if wheel.cached else "built", wheel.sha256, flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
