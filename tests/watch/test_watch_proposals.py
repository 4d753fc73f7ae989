"""The command that `invoke watch` proposes for a wheel, run as it is printed, moves it in every lock of the finding."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from osv_records import osv_record, osv_zip
from small_world import World, wheel
from watched_world import LOCK

pytest_plugins = ["watched_fixtures"]

_NOBODY = {"WHEELHOUSE_MIRRORS": "https://api.osv.dev/=http://127.0.0.1:9/", "PIP_RETRIES": "0"}


def _proposed(world: World, kind: str, *words: str) -> list[str]:
    """Return the words after `invoke` of what a look proposes for numpy."""
    ended = world.invoke("watch", "--json", *words, **_NOBODY)
    found = [one for one in json.loads(ended.out)["findings"] if one["kind"] == kind]
    assert len(found) == 1, ended.out + ended.err
    program, *proposed = shlex.split(found[0]["command"])
    assert program == "invoke"
    return proposed


@pytest.mark.parametrize("kind", ["vulnerable", "yanked"])
def test_it_moves_the_wheel_in_every_lock_of_the_finding(world: World, tmp_path: Path, kind: str) -> None:
    """Nobody answers as OSV: without the file of the look, the command would find nothing to move."""
    made = world.invoke("lock", "--resolver", "uv", "--torch", "2.8.0", "--platform", "x86_64")
    assert made.status == 0, made.err
    old, words = world.index.files["numpy-2.0-py3-none-any.whl"], []
    if kind == "yanked":
        world.index.offer(old.filename, old.content, yanked="wrong results")
    else:
        (tmp_path / "of today").mkdir()
        record = osv_record("PYSEC-1", "numpy", {"introduced": "0"}, {"fixed": "2.4"})
        words = ["--vulnerabilities", str(osv_zip(tmp_path / "of today/all.zip", [record]))]
    world.index.offer("numpy-2.4-py3-none-any.whl", wheel("numpy", "2.4"))
    ended = world.invoke(*_proposed(world, kind, *words), "--resolver", "uv", **_NOBODY)
    assert ended.status == 0, ended.out + ended.err
    for machine in ("aarch64", "x86_64"):
        assert "numpy-2.4-" in (world.root / f"lockfiles/{LOCK}/pylock.{machine}.toml").read_text()
