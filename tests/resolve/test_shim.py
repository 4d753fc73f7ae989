"""What pip and pip-tools do in an interpreter that reports another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.resolve.pip_tools import reporting

_RUN = """
import json, pathlib, sys
from pip._internal.utils.misc import rmtree
from pip._vendor.packaging.tags import sys_tags
from piptools._compat.path_compat import relative_to_walk_up
folder = pathlib.Path(sys.argv[1])
(folder / "old" / "deep").mkdir(parents=True)
rmtree(str(folder / "old"))
here = relative_to_walk_up(folder / "a" / "b", folder / "c")
print(json.dumps([list(sys.version_info[:2]), str(next(sys_tags())), str(here), (folder / "old").exists()]))
"""


@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_pip_removes_its_folders_at_once_whatever_version_is_reported(tmp_path: Path, python: str) -> None:
    """Pip calls the standard library by the version that it sees; a call that fails is tried again for seconds."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(tmp_path)],
        env={**os.environ, **reporting(Target.named("aarch64", python=python))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    major, minor = map(int, python.split("."))
    tag = f"cp{major}{minor}-cp{major}{minor}-linux_aarch64"
    assert json.loads(done.stdout) == [[major, minor], tag, "../a/b", False]
