"""Facts of wheels that another version of this tool found are not used, and are pruned."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from invoking import invoke

from ascend_wheelhouse.audit import rules
from ascend_wheelhouse.audit.facts import WheelFacts, to_json
from ascend_wheelhouse.audit.kept_facts import prune_facts
from ascend_wheelhouse.audit.readers import WheelInput, WheelToRead
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.store.store import Store

_OF_ONE_RUN = """
import sys
from pathlib import Path
from ascend_wheelhouse.audit.readers import WheelInput, WheelToRead
from ascend_wheelhouse.make.freshness import given_digest
wheel = WheelInput(path=Path("w"), filename="one-1-py3-none-any.whl")
print(WheelToRead(wheel=wheel, sha256="0" * 64, python=(3, 11), roots=()).key, given_digest(Path("p"), Path("s")))
"""


def told(program: Path) -> list[str]:
    """Return the key of a wheel's facts, and the digest of what a wheelhouse is made from, by a copy of this tool."""
    done = subprocess.run(
        [sys.executable, "-c", _OF_ONE_RUN],
        cwd=program,
        env={"PYTHONPATH": str(program), "HOME": str(program)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_a_change_of_how_wheels_are_judged_reads_and_audits_them_anew(tmp_path: Path) -> None:
    shutil.copytree(rules.PROGRAM, tmp_path / "ascend_wheelhouse")
    before = told(tmp_path)
    with (tmp_path / "ascend_wheelhouse/console/board.py").open("a") as file:
        file.write("# of no matter for the audit\n")
    assert told(tmp_path) == before
    with (tmp_path / "ascend_wheelhouse/audit/hygiene.py").open("a") as file:
        file.write("# judged otherwise\n")
    key, given = told(tmp_path)
    assert key != before[0]
    assert given != before[1]


def test_another_python_reads_wheels_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = WheelInput(path=Path("w"), filename="one-1-py3-none-any.whl")
    task = WheelToRead(wheel=wheel, sha256="0" * 64, python=(3, 12), roots=())
    before = task.key
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    assert task.key != before


def test_every_module_that_reads_wheels_counts() -> None:
    code = "import sys, ascend_wheelhouse.audit.extract; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    used = {name.removeprefix("ascend_wheelhouse.") for name in done.stdout.split() if "wheelhouse." in name}
    read = {name for name in used if name.partition(".")[0] not in {"audit", "wheels", "node"}}
    assert read <= {"base", "base.archives", "base.zip_member", "base.errors", "base.full_disk"}


def test_pruning_takes_the_facts_of_other_versions_and_of_wheels_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    store = Store(tmp_path / "store")
    imported = tmp_path / "one-1-py3-none-any.whl"
    imported.write_bytes(b"of a lock")
    keys = []
    for sha256 in (store.add(imported), "0" * 64):
        wheel = WheelInput(path=imported, filename=imported.name)
        keys.append(WheelToRead(wheel=wheel, sha256=sha256, python=(3, 11), roots=()).key)
        store.put_result(keys[-1], to_json(WheelFacts(file=imported.name, sha256=sha256)))
    store.put_result("audit-4-older", {"schema": 4})
    store.put_result("build-1", {"files": []})
    size = sum(path.stat().st_size for path in (tmp_path / "store/results/au").iterdir())
    kept = (tmp_path / "store/results/au" / f"{keys[0]}.json").stat().st_size
    assert prune_facts(store, silent) == size - kept
    assert [store.has_result(key) for key in (*keys, "audit-4-older", "build-1")] == [
        True,
        False,
        False,
        True,
    ]
    assert (
        invoke("cache", "--prune") == 0
    )  # no lock names the wheel, so that it goes, and its facts go with it
    assert not store.has_result(keys[0])
