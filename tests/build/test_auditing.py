from __future__ import annotations

import platform
from pathlib import Path

import pytest
from small_wheels import shared_object, wheel

from ascend_wheelhouse.build.auditing import auditwheel, started_early
from ascend_wheelhouse.build.repair import LibraryMissingError, repair_wheel
from ascend_wheelhouse.cells.spec import Repair


def test_auditwheel_takes_no_modules_of_the_folder_that_a_run_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elftools").mkdir()
    (tmp_path / "elftools/__init__.py").write_text("raise SystemExit('of that folder')\n")
    monkeypatch.chdir(tmp_path)
    with started_early() as early:
        answers = auditwheel("--version"), early("--version")
    assert all(answer.startswith("auditwheel ") for answer in answers), answers


def test_a_library_that_the_callers_variable_alone_leads_to_is_not_taken_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No build sees that variable: its library is another one than the extension was linked against."""
    library = shared_object(tmp_path / "theirs", "libtheirs.so.1")
    code = "extern int nothing(void); int use(void) { return nothing(); }\n"
    made = shared_object(tmp_path, "_C.so", code=code, link=[str(library)])
    built = wheel(tmp_path / "dist", {"thing/_C.so": made.read_bytes()})
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library.parent))
    rules = Repair(platform=f"manylinux_2_36_{platform.machine()}")
    with started_early() as early:
        for audit in (early, auditwheel):
            with pytest.raises(LibraryMissingError, match=r"libtheirs\.so\.1 \(needed by thing/_C\.so\)"):
                repair_wheel(built, tmp_path, rules=rules, host_libraries=[], audit=audit)
