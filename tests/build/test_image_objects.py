"""ccache in containers, through podman itself: an image with one, an image without, and one that is lent to it."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from big_clone import ASKED, Clone, Killed, clone_of, killed_and_gone_on
from making_builds import Bench, cell, sdist_recipe
from podman_rig import IMAGE as PLAIN
from podman_rig import PACKAGES, podman_with

from ascend_wheelhouse.base.events import JobFinished, Note
from ascend_wheelhouse.build.command import build_component
from ascend_wheelhouse.build.container import Container
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.build.own_toolchains import OwnToolchains
from ascend_wheelhouse.cells.toolchains import read_toolchains
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.pin.toolchains import ToolchainFetcher

PROJECT = Path(__file__).parents[2]
CACHING = "localhost/wheelhouse-caching:1"
UNITS = 60
CELL = cell({"torch": "2.8.0", "xxhash": "3.6.0"})
XXHASH = sdist_recipe("xxhash")
pytestmark = [
    pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="minutes: nox -s foreign"),
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, ("podman", "ccache"))), reason="needs podman, and ccache to count"
    ),
]


@pytest.fixture(scope="module")
def caching() -> Iterator[None]:
    """Put a `podman` on PATH whose image has ccache."""
    packages = (*PACKAGES, "ccache", "cmake", "ninja-build")
    with podman_with(CACHING, packages) as program, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(program).parent}:{os.environ['PATH']}")
        yield


@pytest.fixture
def plain() -> Iterator[None]:
    """Put a `podman` on PATH whose image has none."""
    with podman_with() as program, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(program).parent}:{os.environ['PATH']}")
        yield


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, caching: None) -> Clone:  # noqa: ARG001 - its image
    return clone_of(tmp_path_factory.mktemp("big"), UNITS, "--container", CACHING)


@pytest.fixture(scope="module")
def killed(clone: Clone) -> Killed:
    return killed_and_gone_on(clone, UNITS // 3)


def built(
    bench: Bench, image: str, *, ccache: bool, own: OwnToolchains | None = None, **table: object
) -> BuiltWheel:
    """Build xxhash in an image."""
    recipe = sdist_recipe("xxhash", **table)
    workshop = replace(bench.workshop, container=image, ccache=ccache, own=own)
    done = build_component(recipe, CELL, bench.lock(recipe, CELL), workshop)
    assert isinstance(done, list), done
    return done[0]


def toolchains(bench: Bench, *, offline: bool = False) -> OwnToolchains:
    """Return the project's toolchains, their packages in a bench's store."""
    fetcher = ToolchainFetcher(store=bench.store, http=Http(), emit=bench.events.append, offline=offline)
    return OwnToolchains(
        recipes=read_toolchains(PROJECT / "recipes"),
        lockfiles=PROJECT / "lockfiles",
        store=bench.store,
        host=os.uname().machine,
        bring=fetcher.bring,
    )


def forget(store: Path) -> None:
    """Let a store know of no build; what was compiled stays."""
    known = list(store.glob("results/*/build-*.json"))
    assert known
    for path in known:
        path.unlink()


def told(bench: Bench) -> Sequence[str]:
    """Return the sentences that were told of a bench's builds, and forget them."""
    texts = [event.text for event in bench.events if isinstance(event, Note)]
    bench.events.clear()
    return texts


def test_a_build_that_was_killed_goes_on_with_what_it_had_compiled(killed: Killed) -> None:
    (told,) = re.findall(r"torch-npu: (\d+) of (\d+) objects had been compiled", killed.err)
    found, objects = map(int, told)
    assert killed.finished >= UNITS // 3
    assert found + ASKED >= killed.finished
    assert UNITS < objects < UNITS + 20
    assert killed.compiled < objects + 20


def test_a_second_build_starts_no_compiler_and_gives_the_same_wheel(clone: Clone, killed: Killed) -> None:
    forget(clone.store)
    out, err = clone.build("--json")
    ((found, objects),) = re.findall(r"torch-npu: (\d+) of (\d+) objects had been compiled", err)
    assert int(found) + ASKED == int(objects)
    assert clone.compiled() == killed.compiled + ASKED
    assert json.loads(out)["sha256"] == json.loads(killed.out)["sha256"]


@pytest.mark.usefixtures("killed")
def test_after_a_change_of_one_file_one_object_is_compiled(clone: Clone) -> None:
    assert clone.compiled_after_a_change(2) == 1 + ASKED


@pytest.mark.usefixtures("killed")
def test_what_is_in_the_cache_belongs_to_who_started_the_build(clone: Clone) -> None:
    found = [path.stat() for path in clone.objects.rglob("*")]
    assert {one.st_uid for one in found} == {os.getuid()}
    assert len(found) > UNITS
    assert len(list((clone.store / "objects").iterdir())) == 1


@pytest.mark.usefixtures("caching")
def test_the_bytes_are_equal_without_a_cache_with_a_new_one_and_with_a_full_one(tmp_path: Path) -> None:
    without = built(Bench(root=tmp_path / "without"), CACHING, ccache=False)
    bench = Bench(root=tmp_path / "with")
    cold = built(bench, CACHING, ccache=True)
    assert not any("compiled before" in text for text in told(bench))
    forget(tmp_path / "with")
    full = built(bench, CACHING, ccache=True)
    ((found, of),) = [re.findall(r"\d+", text) for text in told(bench) if "compiled before" in text]
    assert (found == of, cold.cached, full.cached) == (True, False, False)
    assert {without.sha256, cold.sha256, full.sha256} == {without.sha256}


@pytest.mark.usefixtures("caching")
def test_two_builds_at_once_share_a_cache(tmp_path: Path) -> None:
    benches = [Bench(root=tmp_path / "store") for _ in range(2)]
    editions = [{"env": {"EDITION": str(number)}} for number in range(2)]  # two keys
    with ThreadPoolExecutor(2) as pool:
        both = list(
            pool.map(lambda bench, more: built(bench, CACHING, ccache=True, **more), benches, editions)
        )
    assert both[0].key != both[1].key
    assert both[0].sha256 == both[1].sha256
    built(benches[0], CACHING, ccache=True, env={"EDITION": "2"})
    ((found, of),) = [re.findall(r"\d+", text) for text in told(benches[0])[-1:]]
    assert found == of


@pytest.mark.usefixtures("plain")
def test_a_run_says_so_once_and_goes_on(tmp_path: Path) -> None:
    bench = Bench(root=tmp_path)
    workshop = replace(bench.workshop, container=PLAIN, ccache=True)
    for edition in ("1", "2"):
        recipe = sdist_recipe("xxhash", env={"EDITION": edition})
        assert isinstance(build_component(recipe, CELL, bench.lock(recipe, CELL), workshop), list)
    (text,) = told(bench)
    assert text == (f"{PLAIN} has no ccache: a build in it that is killed compiles everything again")
    assert not (tmp_path / "objects").exists()


@pytest.mark.usefixtures("plain")
def test_offline_nothing_is_fetched_to_lend_and_the_run_says_how_to_have_it(tmp_path: Path) -> None:
    bench = Bench(root=tmp_path)
    built(bench, PLAIN, ccache=True, own=toolchains(bench, offline=True))
    ended = [event.outcome for event in bench.events if isinstance(event, JobFinished)]
    (text,) = told(bench)
    assert text.endswith(f"; to have one lent to it: invoke toolchain --platform {os.uname().machine}")
    assert ended == ["done"]


@pytest.mark.usefixtures("plain")
def test_a_toolchain_of_ours_lends_its_own(tmp_path: Path) -> None:
    bench = Bench(root=tmp_path)
    own = toolchains(bench)
    first = built(bench, PLAIN, ccache=True, own=own)
    assert told(bench) == []
    forget(tmp_path)
    second = built(bench, PLAIN, ccache=True, own=own)
    (text,) = told(bench)
    found, of = re.findall(r"\d+", text)
    assert found == of
    assert first.sha256 == second.sha256
    without = built(Bench(root=tmp_path / "without"), PLAIN, ccache=False)
    assert without.sha256 == first.sha256
    (lent,) = (tmp_path / "toolchains").glob("ccache-*")
    assert Container.of(PLAIN, ("podman",)).probe("command -v ccache || echo none").strip() == "none"
    assert (lent / "usr/bin/ccache").is_file()
