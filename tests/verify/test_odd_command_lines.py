"""Whatever stands behind an option of either verification, it ends with a code of its own and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from environments import tiny_wheelhouse

from ascend_wheelhouse.base import settings
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.node.verify import program
from ascend_wheelhouse.verify import prepare
from ascend_wheelhouse.verify.program import main

ODD = {
    "a link to itself": ("loop", {2, 5, 10}),
    "a name that is too long": ("x" * 300, {2, 10}),
    "a line end": ("a\nb", {2}),
    "bytes that are no text": ("a\udcffb", {2}),
    "a file below a file": ("file/x", {2, 10}),
    "nothing there": ("gone", {2}),
    "a blank": (" ", {2}),
}


@pytest.fixture
def standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("x")
    (tmp_path / "environment" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def require_told(status: int, allowed: set[int], said: str) -> None:
    assert status in allowed, said
    assert "Traceback" not in said
    assert "Next: " in said


@pytest.mark.parametrize(("value", "allowed"), ODD.values(), ids=ODD)
def test_an_odd_wheelhouse_is_refused_on_the_host(
    standing: Path, capfd: pytest.CaptureFixture[str], value: str, allowed: set[int]
) -> None:
    assert standing.is_dir()
    status = main([f"--wheelhouse={value}"])
    require_told(status, allowed, capfd.readouterr().err)


@pytest.mark.parametrize(("value", "allowed"), ODD.values(), ids=ODD)
@pytest.mark.parametrize("option", ["--prefix", "--environment"])
def test_an_odd_place_is_refused_on_a_node(
    standing: Path, capfd: pytest.CaptureFixture[str], option: str, value: str, allowed: set[int]
) -> None:
    manifest = tiny_wheelhouse(standing / "wheelhouse", {}, "x86_64") / "manifest.json"
    status = program.main([f"{option}={value}", f"--manifest={manifest}", "--only=files"])
    require_told(status, allowed, capfd.readouterr().err)


@pytest.mark.parametrize(("value", "allowed"), ODD.values(), ids=ODD)
def test_an_odd_manifest_is_refused_on_a_node(
    standing: Path, capfd: pytest.CaptureFixture[str], value: str, allowed: set[int]
) -> None:
    status = program.main([f"--environment={standing / 'environment'}", f"--manifest={value}"])
    require_told(status, allowed, capfd.readouterr().err)


def test_a_verification_uses_the_store_that_the_project_names(
    standing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used the cache folder of the user: the system roots of the project's store were fetched again."""
    taken: list[prepare.Wanted] = []

    def refused(wanted: prepare.Wanted, _say: object) -> None:
        taken.append(wanted)
        raise UsageError("far enough")

    monkeypatch.setattr(prepare, "verify", refused)
    monkeypatch.setattr(settings, "_NOW", [settings.Settings()])
    monkeypatch.delenv("WHEELHOUSE_STORE", raising=False)
    (standing / settings.NAME).write_text('store = "big"')
    house = tiny_wheelhouse(standing / "wheelhouse", {}, "x86_64")
    assert main([f"--wheelhouse={house}"]) == 2
    assert taken[0].store == standing / "big"
