"""A prefix on a file system that lets no program run, as `/tmp` or a data disk is mounted on hardened nodes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_wheelhouse import MACHINE, SmallWheelhouse

from ascend_wheelhouse.node.host import fitness

_MOUNTED = (
    'mount -t tmpfs -o noexec tmpfs "$1" && shift && "$@"; status=$?; ls -A "$PREFIX" >&2; exit $status'
)


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--installer", "pip")], ids=" ".join)
def test_a_prefix_where_no_program_may_run_is_refused_before_anything_is_written(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """With pip it was installed there, and nothing in it could be imported; with uv, uv's own file was at fault."""
    house = SmallWheelhouse().write(tmp_path / "house")
    disk = tmp_path / "a disk"
    disk.mkdir()
    script = _MOUNTED.replace("$PREFIX", str(disk))
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(disk)]
    prefix = disk / "npu/of/mine"
    asked = ["--prefix", str(prefix), "--insecure-no-signature", "--json", *words]
    command = [*namespace, sys.executable, "-I", str(house / "install.py"), *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["error"]) == (10, "NodeUnfitError"), done.stderr
    assert told["next"].startswith(f"findmnt -T '{disk}' shows it; name a prefix elsewhere")
    assert "npu" not in done.stderr.splitlines()


def test_a_prefix_where_programs_may_run_is_taken(tmp_path: Path) -> None:
    assert fitness.programs_finding(tmp_path / "none/yet").level == "ok"


def test_packages_that_cannot_run_where_they_unpack_themselves_are_told_before(tmp_path: Path) -> None:
    """A package of makeself's form ends with 126 there, and names a file that is gone again."""
    name = f"Ascend-cann-toolkit_8.3.RC2_linux-{MACHINE}.run"
    text = "#!/bin/sh\n[ $1 = --check ] || { echo ./install.sh: Permission denied; exit 126; }\n"
    house = SmallWheelhouse(payloads={name: text}).write(tmp_path / "house")
    disk = tmp_path / "temporary"
    disk.mkdir()
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNTED, "sh", str(disk)]
    asked = ["--prefix", str(tmp_path / "npu"), "--insecure-no-signature", "--payloads"]
    command = [*namespace, sys.executable, "-I", str(house / "install.py"), *asked]
    surroundings = {**os.environ, "TMPDIR": str(disk), "PREFIX": str(disk)}
    words = [*command, "--ascend", str(tmp_path / "Ascend")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=surroundings)
    assert done.returncode == 10
    assert f"warning: no program may run below {disk}, where packages unpack themselves" in done.stderr
    assert "./install.sh: Permission denied" in done.stderr
