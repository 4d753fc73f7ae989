"""Every mistake in recipes, stacks, serving files and the table is told once, in one report, and nothing else is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recipe_mistakes import MISTAKES, TORCH28, Mistake

ROOT = Path(__file__).parents[2]


def planted(root: Path, mistakes: list[Mistake]) -> Path:
    """Return a project whose recipes are the committed ones with the mistakes put in."""
    shutil.copytree(ROOT / "recipes", root / "recipes")
    (root / "tasks.py").symlink_to(ROOT / "tasks.py")
    for mistake in mistakes:
        path = root / "recipes" / mistake.file
        text = path.read_text("utf-8")
        assert mistake.old in text, mistake
        path.write_text(text.replace(mistake.old, mistake.new, 1) if mistake.old else text, "utf-8")
    return root


def invoked(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `invoke` in a project as a user would."""
    command = [str(Path(sys.executable).parent / "invoke"), *words]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(root), "WHEELHOUSE_STORE": str(root / "store")}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


def test_every_planted_mistake_is_told_once_with_its_file_key_and_rule(tmp_path: Path) -> None:
    """Forty mistakes over eighteen files, among them a file that is no TOML: one report, and no line too many."""
    done = invoked(planted(tmp_path, MISTAKES), "recipes", "--json")
    assert done.returncode == 2, done.stderr
    told = {
        (one["file"], one["key"], one["rule"]): one["text"] for one in json.loads(done.stdout)["problems"]
    }
    wanted = {(f"recipes/{one.file}", one.key, one.rule): one.told for one in MISTAKES if one.told}
    assert len(wanted) >= 25
    assert told.keys() == wanted.keys()
    assert [place for place, text in wanted.items() if text not in told[place]] == []
    assert len(json.loads(done.stdout)["problems"]) == len(wanted)


@pytest.mark.parametrize(
    "words",
    [
        ["recipes"],
        ["plan"],
        ["lock"],
        ["fetch"],
        ["wheelhouse"],
        ["audit", "--", "x.whl"],
        ["build", "torch-npu"],
    ],
    ids=lambda words: words[0],
)
def test_every_command_that_reads_recipes_gives_the_whole_report(tmp_path: Path, words: list[str]) -> None:
    some = [one for one in MISTAKES if one.file in {"uv.toml", "pip.toml", TORCH28}]
    (tmp_path / "x.whl").write_bytes(b"")
    done = invoked(planted(tmp_path, some), *words[:1], "--json", *words[1:])
    assert done.returncode == 2, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert len(last["problems"]) == len(some)
    for problem in last["problems"]:
        assert f"{problem['file']}: {problem['key']}" in done.stderr


@pytest.mark.parametrize("name", ["torch-npu", "torch", "nnal"])
def test_one_bad_recipe_makes_one_line(tmp_path: Path, name: str) -> None:
    """Seven stacks and other recipes name it: none of them is to blame."""
    broken = Mistake(f"{name}.toml", f'name = "{name}"', f'name = "{name}', "", "syntax", "not TOML")
    done = invoked(planted(tmp_path, [broken]), "recipes", "--json")
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["file"], problem["rule"]) == (f"recipes/{name}.toml", "syntax")


def test_a_stack_that_cannot_be_read_is_not_taken_for_a_missing_default(tmp_path: Path) -> None:
    broken = Mistake(
        "stacks/torch2.8.0-cann8.3.rc2.toml", "default = true", "default = yes", "", "syntax", "not TOML"
    )
    done = invoked(planted(tmp_path, [broken]), "recipes", "--json")
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["rule"] == "syntax"


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (
            Mistake("stacks/torch2.8.0-cann8.3.rc2.toml", "default = true", "default = false", "", "", ""),
            "torch2.8.0-cann8.3.rc2, torch2.8.0-cann8.5.0 is the default for torch 2.8.0",
        ),
        (
            Mistake(TORCH28, "default = false", "default = true", "", "", ""),
            "torch2.8.0-cann8.3.rc2 is the default for torch 2.8.0 already",
        ),
    ],
)
def test_a_torch_version_has_one_default(tmp_path: Path, mistake: Mistake, told: str) -> None:
    done = invoked(planted(tmp_path, [mistake]), "recipes", "--json")
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["key"] == "default"
    assert told in problem["text"]
