"""Commands whose standard streams are closed, as `>&-` or a service manager does: they end as always."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ("invoke", "ascend_wheelhouse")


def run(closed: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_with_closed_streams_ends_as_always(program: str, closed: str) -> None:
    done = run(closed, program, "stacks")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) is (">&-" not in closed.split())


def test_an_error_with_closed_streams_has_its_own_code() -> None:
    assert run(">&- 2>&-", "invoke", "stacks", "--nothing").returncode == 2
    assert run(">&- 2>&-", "ascend_wheelhouse.verify", "--wheelhouse", "/nowhere").returncode == 2


def test_no_file_that_is_opened_later_gets_the_number_of_a_closed_stream() -> None:
    text = "from ascend_wheelhouse.base.streams import stand_in; import os, sys; stand_in(); "
    text += "fd = os.open('/dev/zero', os.O_RDONLY); "
    text += "sys.exit(fd < 3 or not all(os.get_inheritable(one) for one in range(3)))"
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", text], check=False
    )
    assert done.returncode == 0
