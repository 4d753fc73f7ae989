from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.build.auditing import auditwheel, started_early


def test_auditwheel_takes_no_modules_of_the_folder_that_a_run_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elftools").mkdir()
    (tmp_path / "elftools/__init__.py").write_text("raise SystemExit('of that folder')\n")
    monkeypatch.chdir(tmp_path)
    with started_early() as early:
        answers = auditwheel("--version"), early("--version")
    assert all(answer.startswith("auditwheel ") for answer in answers), answers
