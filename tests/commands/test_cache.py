from pathlib import Path

import pytest
from invoking import invoke

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.lock import Inputs, Lock, LockedPayload
from ascend_wheelhouse.locks.lock import files as lock_files
from ascend_wheelhouse.store.store import Store


def test_pruning_keeps_the_payloads_that_a_lock_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of CANN that came from its URL was imported by nobody: the lock alone names it."""
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    store = Store()
    for name in ("toolkit.run", "stray.run"):
        (tmp_path / name).write_text(name)
    named, stray = store.add(tmp_path / "toolkit.run"), store.add(tmp_path / "stray.run")
    artifact = Artifact(filename="toolkit.run", size=11, sha256=named)
    payload = LockedPayload(component="cann-toolkit", version="8.5.0", origin="url", artifact=artifact)
    lock = Lock(
        stack="s",
        platform="aarch64",
        cell={},
        derived=False,
        recipes_digest="0" * 64,
        wheels=(),
        payloads=(payload,),
        inputs=Inputs(requirements=()),
    )
    folder = tmp_path / "lockfiles" / "s"
    folder.mkdir(parents=True)
    for name, text in lock_files(lock, Target.named("aarch64")).items():
        (folder / name).write_text(text)
    assert invoke("cache", "--prune", root=tmp_path) == 0
    assert store.has(named)
    assert not store.has(stray)


def test_one_file_and_one_partial_are_told_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    store = Store()
    (tmp_path / "file").write_text("bytes")
    store.add(tmp_path / "file")
    with store.partial("0" * 64) as partial:
        partial.path.write_text("half")
    assert invoke("cache", root=tmp_path) == 0
    assert "1 file, 5 B; 1 partial\n" in capsys.readouterr().out
