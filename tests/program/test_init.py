from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from program_rig import Installed

pytest_plugins = ["program_fixtures"]


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_project_is_what_its_readme_says(installed_program: Installed, tmp_path: Path) -> None:
    done = installed_program.run("init", "nodes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(_tree(tmp_path / "nodes")) == {
        ".gitignore",
        "README.md",
        "ascend-wheelhouse.toml",
        "lockfiles/README.md",
        "noxfile.py",
        "recipes/README.md",
        "tasks.py",
    }
    assert done.stdout.splitlines()[-1] == (
        "Next: cd nodes && ascend-wheelhouse plan --torch 2.8.0 --platform aarch64"
    )
    found = installed_program.run("recipes", "--json", cwd=tmp_path / "nodes/recipes")
    assert set(json.loads(found.stdout)["from"].values()) == {"package"}


def test_every_commented_default_can_be_taken(installed_program: Installed, tmp_path: Path) -> None:
    assert installed_program.run("init", cwd=tmp_path).returncode == 0
    settings = tmp_path / "ascend-wheelhouse.toml"
    commented = re.compile(r'^# (?=[a-z-]+ = |\[|"https)', re.MULTILINE)
    settings.write_text(commented.sub("", settings.read_text()))
    told = json.loads(
        installed_program.run("config", "--json", cwd=tmp_path, environ={"WHEELHOUSE_STORE": ""}).stdout
    )
    rows = told["settings"]
    assert {row["from"] for row in rows.values()} == {"project"}
    assert rows["store"]["value"] == str(tmp_path / "store")


def test_a_wheelhouse_is_ignored_by_git_and_a_lock_is_not(
    installed_program: Installed, tmp_path: Path
) -> None:
    assert installed_program.run("init", ".", cwd=tmp_path).returncode == 0
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for name, code in {
        "wheelhouse/x/manifest.json": 0,
        "bundles/x.tar": 0,
        "lockfiles/x/pylock.toml": 1,
    }.items():
        done = subprocess.run(["git", "check-ignore", "-q", name], cwd=tmp_path, check=False)
        assert done.returncode == code, name


@pytest.mark.parametrize("name", ["recipes", "README.md", "wheelhouse", "ascend-wheelhouse.toml"])
def test_a_folder_that_holds_something_of_a_projects_names_is_refused(
    installed_program: Installed, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine\n")
    done = installed_program.run("init", ".", "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert _tree(tmp_path) == {name: b"mine\n"}
    if name != "ascend-wheelhouse.toml":  # that one is read first, and wrong
        assert json.loads(done.stdout)["error"] == "FolderTakenError"
        assert f"holds {name} already" in done.stderr
        assert "Next: ascend-wheelhouse init FOLDER" in done.stderr


def test_a_file_in_the_folders_place_is_refused(installed_program: Installed, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    done = installed_program.run("init", "taken", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "taken").is_file()) == (2, True)
    assert "taken is no folder" in done.stderr


def test_invoke_and_nox_work_in_a_new_project(installed_program: Installed, tmp_path: Path) -> None:
    assert installed_program.run("init", ".", cwd=tmp_path).returncode == 0

    def started(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", *words]
        environ = installed_program.environ
        return subprocess.run(line, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    stacks = started("invoke", "stacks", "--json")
    assert stacks.stdout == installed_program.run("stacks", "--json", cwd=tmp_path).stdout
    assert "Next: invoke plan" in started("invoke", "plann").stderr
    verified = started("nox", "-s", "verify")
    assert verified.returncode == 2, verified.stderr
    assert "`nox -s verify -- --wheelhouse DIR`" in verified.stderr
