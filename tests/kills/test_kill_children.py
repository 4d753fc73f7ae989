"""What a command has started ends with it, however long it would go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from ended_at import ONCE_STARTED
from starter import Command, Starter

_FOR_EVER = '["sleep", "infinity"]'
_MODULES = {
    "run": f"from ascend_wheelhouse.base.process import run\nrun({_FOR_EVER})",
    "run in a group": f"from ascend_wheelhouse.base.process import run\nrun({_FOR_EVER}, own_group=True)",
    "logged": "from pathlib import Path\nfrom ascend_wheelhouse.base.process import run_logged\n"
    f"run_logged({_FOR_EVER}, log=Path('log'), on_line=print)",
    "piped": "from ascend_wheelhouse.base.process import piped\n"
    f"with piped({_FOR_EVER}) as (_, answer):\n    answer.read()",
    "standing": "import sys\nfrom ascend_wheelhouse.base.process import StandingCommand\n"
    f"with StandingCommand({_FOR_EVER}, errors=sys.stderr.buffer).asked() as (_, answer):\n    answer.read()",
    "on a node": "from pathlib import Path\nfrom ascend_wheelhouse.node.install.command import run\n"
    f"run({_FOR_EVER}, log=Path('log'))",
}


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    """A process that has imported both modules that start processes."""
    with Starter("ascend_wheelhouse.base.process", "ascend_wheelhouse.node.install.command") as started:
        yield started


@pytest.mark.parametrize("module", _MODULES)
def test_no_program_outlives_the_run_that_started_it(tmp_path: Path, starter: Starter, module: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(_MODULES[module])
    killed = starter.run(Command(words=[program], cwd=tmp_path), ONCE_STARTED)
    assert killed.status == -signal.SIGKILL, killed.text
    assert starter.left_over() == []
