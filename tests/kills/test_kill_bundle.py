"""`kill -9` while a bundle is packed in any form, or rebuilt from a delta."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from bundle_fixtures import FILES, LONG_NAME, TORCH, write_wheelhouse
from kill_points import Stage, in_sight, out_of_sight
from starter import INVOKE, Command, Starter

from ascend_wheelhouse.bundle.command import bundle_command, verify_bundle
from ascend_wheelhouse.bundle.parts import settle
from ascend_wheelhouse.node.reading.bundle_reader import open_bundle
from ascend_wheelhouse.node.reading.sources import BundleDamagedError, BundleMissingError

TASKS = Path(__file__).parents[2] / "tasks.py"
OLD = {**FILES, TORCH: b"o" * 300_000}
NEW = {**FILES, TORCH: b"t" * 300_000, LONG_NAME: b"l" * 200_000}
_PACK = ("--wheelhouse", "new", "--serial", "2", "--json")


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form of bundle: its name, what is typed for it, and how the old one at its place was made."""

    out: str = "b.tar"
    words: Sequence[str] = ()
    old: dict[str, object] = field(default_factory=dict)


FORMS = {
    "pack": Form(words=_PACK),
    "split": Form(words=(*_PACK, "--split", "100K"), old={"split": 100 << 10}),
    "to-parts": Form(words=(*_PACK, "--split", "100K")),
    "from-parts": Form(words=_PACK, old={"split": 100 << 10}),
    "oci": Form(out="b.oci", words=(*_PACK, "--oci"), old={"oci": True}),
    "delta": Form(words=(*_PACK, "--base", "base.tar")),
    "rebuild": Form(words=("--rebuild", "delta.tar", "--base", "base.tar", "--insecure-no-signature")),
}


def _origin(place: Path, form: Form) -> None:
    """Make a project with an old bundle at the place of the new one, and what the command starts from."""
    place.mkdir()
    (place / "tasks.py").symlink_to(TASKS)
    old, new = write_wheelhouse(place / "old", OLD), write_wheelhouse(place / "new", NEW)
    pack: Callable[..., object] = partial(bundle_command, serial=1)
    pack(old, out=place / "base.tar")
    pack(new, out=place / "delta.tar", base=place / "base.tar")
    pack(old, out=place / "out" / form.out, **form.old)


def _prepare(origin: Path, form: Form, place: Path) -> Command:
    shutil.copytree(origin, place, dirs_exist_ok=True, symlinks=True)
    return Command(words=[INVOKE, "bundle", *form.words, "--out", f"out/{form.out}"], cwd=place)


def _as_read(form: Form, place: Path) -> dict[str, str]:
    """Return what a reader finds, who finishes what was decided; a node's reader sees a whole bundle or none."""
    with suppress(BundleMissingError, BundleDamagedError):
        plain = open_bundle(place / "out" / form.out)
        plain.verify(None, insecure=True, carried_only=True)
        assert plain.serial in {1, 2}
    settle(place / "out" / form.out)
    return in_sight(place / "out")


def _verify(form: Form, place: Path) -> None:
    base = place / "base.tar" if "--base" in form.words and "--rebuild" not in form.words else None
    verify_bundle(place / "out" / form.out, insecure=True, base=base)


@pytest.mark.parametrize("name", FORMS)
def test_a_bundle_is_the_old_one_or_the_new_one_whenever_its_run_is_killed(tmp_path: Path, name: str) -> None:
    form = FORMS[name]
    _origin(tmp_path / "origin", form)
    stage = Stage(
        name=name,
        prepare=partial(_prepare, tmp_path / "origin", form),
        visible=partial(_as_read, form),
        rest=lambda place: out_of_sight(place / "out"),
        sound=partial(_verify, form),
    )
    with Starter("invoke.main", "ascend_wheelhouse.commands.bundle") as starter:
        stage.survive(starter, tmp_path, 8)
