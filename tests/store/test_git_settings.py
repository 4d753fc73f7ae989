"""Whose configuration git reads: a person's says how a server is asked, and changes nothing of what a commit holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from upstreams import commit, git

from ascend_wheelhouse.build.job import Patch
from ascend_wheelhouse.build.patches import apply_patches
from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.git_source import git as asked
from ascend_wheelhouse.store.git_source import lay_out
from ascend_wheelhouse.store.store import Store

URL = "https://git.test/top.git"
DIFF = "--- a/version.txt\n+++ b/version.txt\n@@ -1,2 +1,2 @@\n-one\n+1\n two\n"


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    top = tmp_path / "servers/top.git"
    commit(top, {"version.txt": "one\ntwo\n", "raw.bin": "kept\n", ".gitattributes": "*.bin filter=shout\n"})
    git(top, "tag", "v1")
    return top


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be somebody whose git changes ends of lines, filters files, signs tags and runs hooks; give their home."""
    home = tmp_path / "home"
    hook = home / "hooks/post-checkout"
    hook.parent.mkdir(parents=True)
    hook.write_text(f"#!/bin/sh\ntouch {home}/hooked\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[core]\nautocrlf = true\nhooksPath = {hook.parent}\nattributesFile = {home}/attributes\n"
        '[filter "shout"]\nsmudge = tr a-z A-Z\nclean = cat\n[tag]\ngpgSign = true\n[log]\nshowSignature = true\n'
        f'[url "file://{tmp_path}/servers/"]\ninsteadOf = https://git.test/\n'
    )
    (home / "attributes").write_text("*.txt eol=crlf\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return home


@pytest.mark.usefixtures("upstream")
def test_a_person_s_settings_lead_to_the_server_and_change_no_byte_of_the_source(
    person: Path, tmp_path: Path
) -> None:
    store, place = Store(tmp_path / "store"), tmp_path / "out"
    source = pin(URL, "v1", store=store, mirrors=Mirrors())
    lay_out(source, store, place)
    asked("tag", "v2", source.top.commit, at=place)
    apply_patches(place, [Patch(name="a.patch", sha256="", text=DIFF)])
    assert (place / "version.txt").read_bytes() == b"1\ntwo\n"
    assert (place / "raw.bin").read_bytes() == b"kept\n"
    assert not (person / "hooked").exists()


def test_a_run_inside_a_hook_of_git_leaves_the_repository_of_the_hook_alone(
    upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook has variables that name its own repository: git takes them before any folder that it is told."""
    mine, store, place = tmp_path / "mine", Store(tmp_path / "store"), tmp_path / "out"
    commit(mine, {"mine.txt": "mine\n"})
    held = {path: path.read_bytes() for path in (mine / ".git").rglob("*") if path.is_file()}
    monkeypatch.setenv("GIT_DIR", str(mine / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(mine))
    monkeypatch.setenv("GIT_INDEX_FILE", str(mine / ".git/index"))
    source = pin(URL, "v1", store=store, mirrors=Mirrors(prefixes={URL: f"file://{upstream}"}))
    lay_out(source, store, place)
    apply_patches(place, [Patch(name="a.patch", sha256="", text=DIFF)])
    assert (place / "version.txt").read_bytes() == b"1\ntwo\n"
    assert {path: path.read_bytes() for path in (mine / ".git").rglob("*") if path.is_file()} == held
