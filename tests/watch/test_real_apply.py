"""`invoke watch --apply` on a lock of a real stack, from the configured index: half a gigabyte of wheels.

The lock is made old by leaving out newer uploads, as it would have been made on that day. The tests of this file follow
one project through one story, so that each wheel is fetched and each release looked for once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from index_server import serving
from making_wheels import WheelDraft, compiler
from osv_records import osv_record, osv_zip
from shop import compiled
from small_world import Invoked

ROOT = Path(__file__).parents[2]
STACK = "torch2.8.0-cann8.5.0"
CELL = ("--stack", STACK, "--platform", "aarch64", "--npu", "a3")
FOLDER = "sglang0.5.6.post2-torch2.8.0-cann8.5.0-a3"
LONG_AGO = "2026-10-01"
SPOILED, BOUND = "xxhash", '"xxhash!=99.0"'
pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(not compiler("aarch64"), reason="needs a compiler for aarch64"),
]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command that ended, and the files of recipes and locks before and after it."""

    ended: Invoked
    before: dict[str, bytes]
    after: dict[str, bytes]

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed."""
        answer: dict[str, Any] = json.loads(self.ended.out)
        return answer

    @property
    def wheels(self) -> list[dict[str, Any]]:
        """The releases of wheels that were found."""
        return [one for one in self.document["findings"] if (one["kind"], one["of"]) == ("new", "wheel")]


@dataclass(frozen=True)
class Project:
    """A project folder with the recipes of this one, and a lock of its own."""

    root: Path

    def files(self) -> dict[str, bytes]:
        """Return every file of its recipes and locks."""
        found = [path for part in ("recipes", "lockfiles") for path in (self.root / part).rglob("*")]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found if path.is_file()}

    def run(self, *words: str, **env: str) -> Step:
        """Run `invoke` with the store of this user, as other tests with big wheels do."""
        before = self.files()
        done = subprocess.run(
            [Path(sys.executable).parent / "invoke", *words],
            cwd=self.root,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        ended = Invoked(status=done.returncode, out=done.stdout, err=done.stderr)
        return Step(ended=ended, before=before, after=self.files())


@dataclass(frozen=True, kw_only=True)
class Story:
    """A look, an upgrade that the audit refuses, one that holds back what is at fault, and both again."""

    look: Step
    refused: Step
    applied: Step
    second_look: Step
    second: Step


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "recipes", root / "recipes")
    (root / "tasks.py").symlink_to(ROOT / "tasks.py")
    nothing = osv_zip(root / "all.zip", [osv_record("PYSEC-1", "no-such-wheel", {"introduced": "0"})])
    project, watch = Project(root), ("watch", "--vulnerabilities", str(nothing), *CELL)
    apply = (*watch, "--apply", "--resolver", "uv")
    old = project.run("lock", "--upgrade", "--resolver", "uv", "--exclude-newer", LONG_AGO, *CELL)
    assert old.ended.status == 0, old.ended.err
    look = project.run(*watch, "--exit-code", "--json")
    with serving() as index:
        index.speaks_json = True
        hour_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        index.offer(*spoiled(tmp_path_factory.mktemp("wheel")), upload_time=hour_ago)
        place = {"PIP_EXTRA_INDEX_URL": index.simple}
        refused = project.run(*apply, **place)
        hold_back(root / f"recipes/stacks/{STACK}.toml")
        return Story(
            look=look,
            refused=refused,
            applied=project.run(*apply, "--json", "--exit-code", **place),
            second_look=project.run(*watch, "--json", **place),
            second=project.run(*apply, **place),
        )


def hold_back(stack: Path) -> None:
    """Write into a stack what the error advises."""
    before = stack.read_text()
    after = before.replace("constraints = [", f"constraints = [{BOUND}, ", 1)
    assert after != before
    stack.write_text(after)


def spoiled(folder: Path) -> tuple[str, bytes]:
    """Return a release of a wheel that asks for a function which nothing has."""
    module = compiled(
        "_xxhash.so", 'extern "C" int nobody(); int ask() { return nobody(); }', machine="aarch64"
    )
    files: dict[str, str | bytes] = {"xxhash/__init__.py": "", "xxhash/_xxhash.so": module}
    tag = "cp311-cp311-manylinux_2_17_aarch64"
    path = WheelDraft(name=SPOILED, version="99.0", tag=tag, files=files).write(folder)
    return path.name, path.read_bytes()


def test_a_look_finds_what_was_published_since_and_changes_nothing(story: Story) -> None:
    assert story.look.ended.status == 11, story.look.ended.err
    assert story.look.after == story.look.before
    assert len(story.look.wheels) > 10
    assert {tuple(one["locks"]) for one in story.look.wheels} == {(f"{FOLDER}/aarch64",)}
    assert all(one["published"] > LONG_AGO for one in story.look.wheels)


def test_what_the_audit_refuses_is_not_kept(story: Story) -> None:
    assert story.refused.ended.status == 7, story.refused.ended.err
    assert "did not pass the audit, and the old one is as it was." in story.refused.ended.err
    assert "1 symbol is defined by nothing that it is loaded with (nobody" in story.refused.ended.err
    assert re.search(rf"{SPOILED} \S+ -> 99\.0", story.refused.ended.err)
    assert (
        f"Next: {BOUND} in `constraints` of recipes/stacks/{STACK}.toml keeps it out"
        in story.refused.ended.err
    )
    assert story.refused.after == story.refused.before


def test_what_passes_it_takes_the_place_of_the_old_lock(story: Story) -> None:
    assert story.applied.ended.status == 11, story.applied.ended.err
    (one,) = story.applied.document["applied"]
    assert (one["lock"], one["folder"]) == (f"{FOLDER}/aarch64", FOLDER)
    changed = {name for name, text in story.applied.after.items() if story.applied.before.get(name) != text}
    names = ("pylock.aarch64.toml", "requirements.aarch64.txt")
    assert {f"lockfiles/{FOLDER}/{name}" for name in names} <= changed
    assert all(name.startswith(f"lockfiles/{FOLDER}/") and ".aarch64." in name for name in changed)
    lock = story.applied.after[f"lockfiles/{FOLDER}/requirements.aarch64.txt"].decode()
    moved = {change["name"]: change["after"] for change in one["changes"] if change["after"]}
    assert moved
    assert all(f"{name}=={version}" in lock for name, version in moved.items())
    assert moved.get(SPOILED) != "99.0"


def test_a_second_run_has_nothing_to_do(story: Story) -> None:
    """Whatever was published in between aside."""
    look = story.applied.document["asked"]
    assert [one for one in story.second_look.wheels if one["published"] < look] == []
    if story.second_look.wheels:
        pytest.skip("something was published just now")
    assert story.second.ended.status == 0, story.second.ended.err
    assert "Nothing to do: nothing that was found asks for a new lock." in story.second.ended.out
    assert story.second.after == story.second.before
