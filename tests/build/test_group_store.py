"""A store of a group: what builds keep in it serves its users in turn, whatever the umask of each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from group_users import FIRST, SECOND, as_user, both, folder_of_a_group, two_users

from ascend_wheelhouse.base import rights
from ascend_wheelhouse.base.events import Event, Note, silent
from ascend_wheelhouse.build import environment, laid_out, object_cache, trees
from ascend_wheelhouse.build.sandbox import Unsealed
from ascend_wheelhouse.build.toolchain import Toolchain
from ascend_wheelhouse.store.store import Store

_UMASKS = pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
_LONG_AGO = 1_600_000_000


@pytest.fixture(params=[0o2775, 0o770])
def group_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The store of a group."""
    with folder_of_a_group(request.param) as folder:
        yield Store(folder)


def _lay(work: Path) -> Path:
    tool = work / "root/usr/bin/tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755 & ~os.umask(os.umask(0o022)))
    return work / "root"


@two_users
@_UMASKS
def test_both_use_one_toolchain_and_either_prunes_it(group_store: Store, umask: int) -> None:
    def use(user: int) -> None:
        for name in ("same", str(user)):
            folder = laid_out.toolchain_folder(group_store, name, _lay)
            assert folder == group_store.root / "toolchains" / name
            subprocess.run([folder / "usr/bin/tool"], check=True)
            if user == SECOND and name == "same":
                assert folder.stat().st_uid == FIRST

    def prune() -> None:
        for one in laid_out.laid_out(group_store):
            assert one.held > 0
        assert laid_out.prune_laid_out(group_store, silent) > 0

    both(umask, use)
    for place in group_store.root.glob("toolchains/*"):
        os.utime(place, (_LONG_AGO, _LONG_AGO))
    as_user(SECOND, umask, prune)
    assert list(group_store.root.glob("toolchains/*")) == []


@two_users
@_UMASKS
def test_both_install_into_one_environment(
    group_store: Store, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(_files: object, _interpreter: object, place: Path, *_: object, **_more: object) -> None:
        (place / "env/bin").mkdir(parents=True)
        (place / "env/bin/python").write_text("of one")

    monkeypatch.setattr(environment, "_install", put)
    interpreter = environment.find_interpreter("3.11")

    def use(_user: int) -> None:
        found = environment.planned((), interpreter, store=group_store, sandbox=Unsealed())
        environment.install(found, (), interpreter, store=group_store, sandbox=Unsealed())
        assert (found.folder / "bin/python").read_text() == "of one"

    rights.make_folder(group_store.root, "environments")
    both(umask, use)
    (place,) = group_store.root.glob("environments/*")
    (place / "complete").unlink()
    as_user(SECOND, umask, lambda: use(SECOND))
    assert sorted(one.name for one in group_store.root.glob("environments/*")) == [
        place.name,
        f"{place.name}.{SECOND}",
    ]


@two_users
@_UMASKS
@pytest.mark.skipif(shutil.which("ccache") is None, reason="compiles through ccache")
def test_both_compile_through_one_cache_of_objects(group_store: Store, umask: int) -> None:
    def compile_one(user: int) -> None:
        folder = object_cache.made_folder(group_store.root, "torch-npu", Toolchain(tools=()), "")
        env = {
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "CCACHE_STATSLOG": str(group_store.root / f"{user}.log"),
        }
        told = object_cache.variables(
            Toolchain(tools=()), image="", root="", folder=str(folder), mode=folder.stat().st_mode
        )
        place = group_store.root / str(user)
        place.mkdir()
        for name in ("same", str(user)):
            (place / "one.c").write_text(f"int of_{name}(void) {{ return 1; }}\n")
            subprocess.run(
                ["ccache", "/usr/bin/gcc", "-c", "one.c", "-o", "one.o"],
                cwd=place,
                env=told | env,
                check=True,
            )

    both(umask, compile_one)
    for user, found in ((FIRST, 0), (SECOND, 1)):
        words = (group_store.root / f"{user}.log").read_text().split()
        assert (words.count("preprocessed_cache_hit"), words.count("cache_miss")) == (found, 2 - found)


@two_users
@_UMASKS
def test_what_is_closed_to_a_user_stands_in_nobody_s_way(group_store: Store, umask: int) -> None:
    """Toolchains and trees that an older version left, and the folders of builds that failed."""

    def leave() -> None:
        for name in ("toolchains", "builds", "trees", "objects"):
            rights.make_folder(group_store.root, name)
            place = group_store.root / name / "torch-npu-0123456789ab"
            (place / "usr").mkdir(parents=True)
            (place / "usr/file").write_text("x" * 100)
            place.chmod(0o700)

    def use() -> None:
        folder = laid_out.toolchain_folder(group_store, "torch-npu-0123456789ab", _lay)
        subprocess.run([folder / "usr/bin/tool"], check=True)
        assert trees.place_of(group_store, "torch-npu", "0123456789abcdef").name.endswith(f".{SECOND}")
        object_cache.made_folder(group_store.root, "torch-npu-0123456789ab", Toolchain(tools=()), "")
        own = group_store.root / f"builds/torch-npu-fedcba987654.{SECOND}"
        own.mkdir()

    def prune() -> None:
        told: list[Event] = []
        assert laid_out.prune_laid_out(group_store, told.append) >= 0
        assert laid_out.prune_failed(group_store, told.append) == 0
        assert {str(one.text).split("/")[-2] for one in told if isinstance(one, Note)} == {
            "toolchains",
            "objects",
            "builds",
        }

    as_user(FIRST, umask, leave)
    as_user(SECOND, umask, use)
    for place in group_store.root.glob("*/torch-npu-0123456789ab"):
        os.utime(place, (_LONG_AGO, _LONG_AGO))
    as_user(SECOND, umask, prune)
    assert (group_store.root / "toolchains/torch-npu-0123456789ab/usr/file").is_file()
