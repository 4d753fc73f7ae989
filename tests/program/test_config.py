"""Defaults from `ascend-wheelhouse.toml` act for `invoke` in a clone and for the installed program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program_rig import ROOT, Installed

pytest_plugins = ["program_fixtures"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=["invoke", "ascend-wheelhouse"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Return what runs a command line in a project folder: a clone's for `invoke`."""
    if request.param == "ascend-wheelhouse":
        installed_program: Installed = request.getfixturevalue("installed_program")
        return lambda *words, **environ: installed_program.run(*words, cwd=tmp_path, environ=environ)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    (tmp_path / "lockfiles").symlink_to(ROOT / "lockfiles")
    (tmp_path / "tasks.py").symlink_to(ROOT / "tasks.py")
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    return lambda *words, **environ: subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=tmp_path,
        env={**home, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def _rows(run: Run, *words: str, **environ: str) -> dict[str, Any]:
    done = run("config", "--json", *words, **environ)
    assert done.returncode == 0, done.stderr
    rows: dict[str, Any] = json.loads(done.stdout)["settings"]
    return rows


def test_each_value_is_told_with_the_place_that_it_comes_from(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ascend-wheelhouse.toml"
    file.write_text(
        'torch = "2.10.0"\ncann = "9.1.0"\nplatform = "x86_64"\n[mirrors]\n"https://a/" = "https://b/"\n'
    )
    rows = _rows(run, WHEELHOUSE_NPU="910b")
    assert rows["platform"] == {"value": "x86_64", "from": "project", "file": str(file)}
    assert rows["npu"] == {"value": "910b", "from": "environment", "file": "WHEELHOUSE_NPU"}
    assert rows["cann"] == {"value": "9.1.0", "from": "project", "file": str(file)}
    assert rows["python"] == {"value": "3.11", "from": "built in", "file": ""}
    assert rows["mirrors.https://a/"] == {"value": "https://b/", "from": "project", "file": str(file)}
    table = run("config", WHEELHOUSE_STORE="/store").stdout
    assert f"\nproject: {file}, read\n" in table
    lines = table.splitlines()
    assert lines[0].split() == ["setting", "value", "from"]
    assert ["torch", "2.10.0", "project"] in [line.split() for line in lines]


def test_a_command_shows_what_holds_with_its_own_options_and_does_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ascend-wheelhouse.toml").write_text('npu = "910b"\nplatform = "x86_64"\n')
    store = tmp_path / "store"
    words = ("wheelhouse", "--torch", "2.10.0", "-p", "aarch64", "--resolver", "uv", "--show-config")
    done = run(*words, "--json", WHEELHOUSE_STORE=str(store))
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["settings"]
    for key, value in {"torch": "2.10.0", "platform": "aarch64", "resolver": "uv"}.items():
        assert rows[key] == {"value": value, "from": "command line", "file": ""}
    assert (rows["npu"]["value"], rows["npu"]["from"]) == ("910b", "project")
    assert not store.exists()
    assert not (tmp_path / "wheelhouse").exists()
    assert "910b" in run("run-args", "--npu", "910b", "--show-config").stdout


def test_a_project_plans_its_own_cell_without_being_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ascend-wheelhouse.toml").write_text('torch = "2.10.0"\ncann = "9.1.0"\nnpu = "910b"\n')
    plan = run("plan", "--json")
    assert plan.returncode == 0, plan.stderr
    assert "torch2.10.0-cann9.1.0-910b" in plan.stdout
    other = run("plan", "--json", "--torch", "2.8.0")
    assert "torch2.8.0-cann8.3.rc2-910b" in other.stdout


def test_the_store_of_the_project_is_used(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ascend-wheelhouse.toml").write_text('store = "blobs"\n')
    done = run("cache", WHEELHOUSE_STORE="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(tmp_path / "blobs")


def test_a_store_that_is_named_from_the_current_folder_is_told_with_its_place(
    run: Run, tmp_path: Path
) -> None:
    wanted = {"value": str(tmp_path / "blobs"), "from": "environment", "file": "WHEELHOUSE_STORE"}
    assert _rows(run, WHEELHOUSE_STORE="blobs")["store"] == wanted


def test_a_trusted_key_may_be_a_fingerprint_in_a_file_too(run: Run, tmp_path: Path) -> None:
    shown = f"SHA256:{'a' * 43}"
    file = tmp_path / "ascend-wheelhouse.toml"
    file.write_text(f'trusted-key = "{shown}"\nsign-key = "key"\n')
    rows = _rows(run)
    assert rows["trusted-key"]["value"] == shown
    assert rows["sign-key"]["value"] == str(tmp_path / "key")


def test_a_wrong_file_ends_every_command_with_what_was_meant(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ascend-wheelhouse.toml").write_text('torch = 2.8\nplatfrom = "aarch64"\n')
    for task in ("plan", "stacks"):
        done = run(task, "--json")
        assert done.returncode == 2
        assert 'torch: is a number, write it as text: torch = "2.8"' in done.stderr
        assert "platfrom: there is no such key; platform was meant?" in done.stderr
        assert json.loads(done.stdout)["error"] == "SettingsError"
