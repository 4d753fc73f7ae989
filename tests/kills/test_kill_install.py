"""`kill -9` while a folder or a bundle is installed over an older environment, or into an empty prefix."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from kill_points import Stage, tree
from small_wheelhouse import SmallWheelhouse, package, run_in, run_installer
from starter import Command, Starter

from ascend_wheelhouse.bundle.command import bundle_command

PREFIX = "npu"
_NODE = ("argparse", "ctypes", "concurrent.futures", "zipfile", "subprocess", "hashlib", "tarfile")
_OLD = SmallWheelhouse(wheels=[package("alpha"), package("beta", data__txt="b" * 5000)], stack="old")
_NEW = replace(
    _OLD, wheels=[package("alpha", "2.0"), package("beta", "2.0", data__txt="n" * 9000)], stack="new"
)
_OF_THE_DAY = {"uv_cache.json", "RECORD"}  # uv notes when the wheel's file was made, and that note's digest
_WORDS = ("--insecure-no-signature", "--offline-index")


def _prepare(origin: Path, words: Sequence[str], place: Path) -> Command:
    """Lay the new wheelhouse out and, where the origin has one, install the old one, the first time for all others."""
    if (origin / "old").exists() and not (origin / PREFIX).exists():
        assert run_installer(origin / "old", "--prefix", place / PREFIX, *_WORDS).status == 0
        for trash in (place / PREFIX).glob(".trash-*"):  # its remover may be at work still
            shutil.rmtree(trash, ignore_errors=True)
        (place / PREFIX).rename(origin / PREFIX)
    shutil.copytree(origin, place, dirs_exist_ok=True, symlinks=True)
    where = ["--prefix", str(place / PREFIX), *_WORDS, *(word.format(place=place) for word in words)]
    return Command(words=[place / "new" / "install.py", *where], cwd=place)


def _in_use(place: Path) -> dict[str, str]:
    """Return what the entries lead to, and the files of the environment in use."""
    current = place / PREFIX / "current"
    if not current.exists():
        return {}
    entries = {name: str((place / PREFIX / name).readlink()) for name in ("run", "activate")}
    site = next(current.glob("lib/python3.*/site-packages"))
    found = {
        name: digest
        for name, digest in tree(site).items()
        if Path(name).name not in _OF_THE_DAY
        and "__pycache__" not in name  # whoever imports may write byte code
    }
    return {**entries, **found, "manifest": tree(current / "manifest.json")["manifest.json"]}


def _lying_about(place: Path) -> list[str]:
    """Return what is below the prefix beside the environments, of which the last two are kept."""
    known = {".lock", ".sglang-npu-prefix", "activate", "run", "current", "envs", "index", "install.log"}
    prefix = place / PREFIX
    kept = sorted(path.name for path in (prefix / "envs").iterdir())
    half = [path.name for path in (prefix / "index").iterdir() if path.suffix]
    most = 2 if (place / "old").exists() else 1
    return [*sorted({path.name for path in prefix.iterdir()} - known), *half, *kept[most:]]


def _works(place: Path) -> None:
    """The environment in use is as its receipt says, and its packages import."""
    prefix = place / PREFIX
    if (prefix / "current").exists():
        assert run_installer(place / "new", "--prefix", prefix, "--check").status == 0
        assert (
            run_in(prefix, "python", "-c", "import alpha, beta; print(alpha.version == beta.version)") != ""
        )


@pytest.mark.parametrize("form", ["folder", "bundle", "first"])
def test_the_environment_in_use_is_the_old_one_or_the_new_one_whenever_an_install_is_killed(
    tmp_path: Path, form: str
) -> None:
    origin = tmp_path / "origin"
    new = _NEW.write(origin / "new")
    if form != "first":
        _OLD.write(origin / "old")
    if form == "bundle":
        bundle_command(new, out=origin / "new.tar", serial=1)
    words = ["--bundle", "{place}/new.tar"] if form == "bundle" else []
    stage = Stage(
        name=form,
        prepare=partial(_prepare, origin, words),
        visible=_in_use,
        rest=_lying_about,
        sound=_works,
    )
    with Starter(*_NODE) as starter:
        stage.survive(starter, tmp_path, 8)
