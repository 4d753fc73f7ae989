"""A store on a file system that lets no program run, as `/tmp` or `/home` is mounted on hardened hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from invoking import ROOT

_MOUNTED = 'mount -t tmpfs -o noexec tmpfs "$1" && shift && exec "$@"'
_BUILDING = """
import json, os
from pathlib import Path
from making_builds import Bench, cell, sdist_recipe
from ascend_wheelhouse.base.errors import WheelhouseError

bench, recipe = Bench(root=Path(os.environ["WHEELHOUSE_STORE"])), sdist_recipe("xxhash")
where = cell({"torch": "2.8.0", "xxhash": "3.6.0"})
sources = bench.lock(recipe, where)
try:
    bench.build(recipe, where, sources)
except WheelhouseError as error:
    print(json.dumps([type(error).__name__, error.exit_code, error.next_step]))
"""


def under_noexec(folder: Path, *words: str) -> str:
    """Run Python where `folder` is a new file system without programs and a store is to be in it."""
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNTED, "sh", str(folder)]
    places = {"WHEELHOUSE_STORE": str(folder / "store"), "PYTHONPATH": str(ROOT / "tests/support")}
    done = subprocess.run(
        [*namespace, sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.stdout


@pytest.mark.network
def test_nothing_is_compiled_there_and_the_cause_is_told(tmp_path: Path) -> None:
    """A step said that it wanted the network, since none of the stand-ins for `git` and `wget` could run."""
    name, code, following = json.loads(under_noexec(tmp_path, "-c", _BUILDING))
    assert (name, code) == ("StoreWithoutProgramsError", 10)
    assert following.startswith(
        "export WHEELHOUSE_STORE=/FOLDER, on a file system without noexec; findmnt -T "
    )


def test_the_doctor_tells_it(tmp_path: Path) -> None:
    told = json.loads(under_noexec(tmp_path, "-m", "invoke", "doctor", "--json"))
    (store,) = (one for one in told["findings"] if one["name"] == "writable store")
    assert store["level"] == "warn"
    assert store["found"] == f"{tmp_path / 'store'}, from which no program may run"
