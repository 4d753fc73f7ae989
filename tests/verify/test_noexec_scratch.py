"""Where no program may run below TMPDIR, as `/tmp` of a hardened node, a verification says so and blames nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from environments import install, make_environment, manifest, tiny_wheelhouse

_MOUNTED = 'mount -t tmpfs -o noexec tmpfs "$1" && shift && exec "$@"'
_PROBES = """
import json, sys
from pathlib import Path
from ascend_wheelhouse.node.verify import runner, settings
environment, manifest, stubs, seen = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]
options = settings.VerifyOptions(only=("versions", "imports"), stubs=stubs)
try:
    report = runner.run_probes(environment, manifest, options, begin=lambda: Path(seen).touch())
    print(json.dumps([one.verdict for one in report.results]))
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


def _with_closed_tmp(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command with a TMPDIR from which no program runs."""
    disk = folder / "closed"
    disk.mkdir()
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNTED, "sh", str(disk)]
    surroundings = {**os.environ, "TMPDIR": str(disk)}
    return subprocess.run([*namespace, *words], capture_output=True, text=True, check=False, env=surroundings)


@pytest.mark.parametrize("stubs", ["", "/stand-ins"])
def test_probes_that_load_what_was_compiled_are_not_begun(tmp_path: Path, stubs: str) -> None:
    environment, begun = make_environment(tmp_path / "environment"), tmp_path / "begun"
    install(environment, "alpha", "1.0", {"alpha.py": ""})
    text = json.dumps(manifest({"alpha": "1.0"}))
    done = _with_closed_tmp(tmp_path, sys.executable, "-c", _PROBES, environment, text, stubs, begun)
    told = json.loads(done.stdout)
    assert begun.exists() == (not stubs), done.stderr
    if stubs:
        assert told[0] == "NoProgramsHereError"
        assert f"below {tmp_path}/closed, where" in told[1]
        assert "export TMPDIR=/var/tmp" in told[1]
    else:
        assert told == ["passed", "passed"]


def test_a_host_that_would_install_there_says_so_before_it_does(tmp_path: Path) -> None:
    house = tiny_wheelhouse(tmp_path / "house", {"alpha": {"alpha.py": ""}}, os.uname().machine)
    words = ("-m", "ascend_wheelhouse.verify", "--wheelhouse", house, "--report", tmp_path / "reports")
    done = _with_closed_tmp(tmp_path, sys.executable, *words)
    assert done.returncode == 10, done.stdout + done.stderr
    assert f"No program may run below {tmp_path}/closed" in done.stdout + done.stderr
    assert not (tmp_path / "reports").exists()
