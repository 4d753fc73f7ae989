"""Pure-Python wheels from sdists, with another project file in place of the published one."""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from making_builds import Bench
from sdists import BACKEND, EDITION, PUBLISHED, TABLE, built, opened, outcome, recipe, sdist, sources, where

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.errors import IntegrityError
from ascend_wheelhouse.base.events import Note
from ascend_wheelhouse.build import sandbox
from ascend_wheelhouse.build.backend import EnvironmentIncompleteError
from ascend_wheelhouse.build.command import build_component, spec_of, unfit
from ascend_wheelhouse.build.job import Archive
from ascend_wheelhouse.build.making import WrongWheelError
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild
from ascend_wheelhouse.build.project_file import (
    NoProjectError,
    ProjectFileMissingError,
    project_folder,
    put_project_file,
)
from ascend_wheelhouse.build.sandbox import Sandbox, SandboxUnavailableError
from ascend_wheelhouse.build.source_tree import BadArchiveError
from ascend_wheelhouse.build.worker import WorkerFailedError
from ascend_wheelhouse.cells.project import ProjectFile
from ascend_wheelhouse.cells.target import MACHINES
from ascend_wheelhouse.store.store_faults import DamagedBlobError

OTHER = next(machine for machine in MACHINES if machine != os.uname().machine)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(root=tmp_path / "store")


def test_the_dependency_list_of_the_recipe_replaces_the_published_one(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PUBLISHED)
    table = ProjectFile.model_validate(TABLE["project_file"])
    put_project_file(tmp_path, table, name="server", version="1.0")
    assert tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"] == {
        "name": "server",
        "version": "1.0",
        "dependencies": ["torch"],
        "optional-dependencies": {"npu": ["server[all]"]},
        "scripts": {"serve": "server:main"},
    }


def test_the_best_project_file_of_the_source_takes_the_place(bench: Bench, tmp_path: Path) -> None:
    """Its version comes from version control, so the build is told."""
    npu = PUBLISHED.replace("cuda-python", "torch-npu").replace('version = "1.0"', 'dynamic = ["version"]')
    other = PUBLISHED.replace("cuda-python", "rocm")
    files = {"pyproject.toml": PUBLISHED, "pyproject_npu.toml": npu, "pyproject_other.toml": other}
    wheel = built(bench, sdist(tmp_path, files, version="2.0"), version="2.0")
    assert wheel.filename == "server-2.0+npu-py3-none-any.whl"
    with opened(bench, wheel, tmp_path) as archive:
        assert [str(need) for need in archive.metadata.requires_dist or []] == ["torch-npu"]


@pytest.mark.parametrize(("name", "folder"), [("python/pyproject.toml", "python"), ("pyproject.toml", ".")])
def test_the_project_may_lie_in_a_subdirectory_or_be_all_of_the_source(
    name: str, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "python").mkdir()
    (tmp_path / name).write_text(PUBLISHED)
    assert project_folder(tmp_path, "python") == folder


def test_two_builders_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    wheels = []
    for umask, zone, locale, place in (
        (0o022, "UTC", "C", "one"),
        (0o077, "Asia/Shanghai", "POSIX", "other/place"),
    ):
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("LC_ALL", locale)
        before = os.umask(umask)
        try:
            wheels.append(built(Bench(root=tmp_path / place), path))
        finally:
            os.umask(before)
    assert wheels[0] == wheels[1]


def test_an_archive_whose_files_have_no_date_is_built(bench: Bench, tmp_path: Path) -> None:
    """poetry-core dates the files of its archives to 1970, where zip has no time for them."""
    starts = sources(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED}))
    assert isinstance(starts.tree, Archive)
    undated = replace(starts, tree=replace(starts.tree, epoch=0))
    wheel = outcome(bench, recipe(), undated, where())
    assert isinstance(wheel, BuiltWheel)
    with opened(bench, wheel, tmp_path) as archive:
        assert archive.metadata.name == "server"


def test_a_builder_of_one_machine_makes_the_wheel_for_the_other(bench: Bench, tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    foreign = built(bench, path, machine=OTHER)
    assert built(bench, path).cached
    assert built(bench, path).sha256 == foreign.sha256


def test_compiled_code_is_not_built_for_the_other_machine(bench: Bench, tmp_path: Path) -> None:
    starts = sources(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED}))
    pending = outcome(bench, recipe(pure=False), starts, where(machine=OTHER))
    assert isinstance(pending, PendingBuild)
    assert f"the wheel is for {OTHER}" in pending.reason


def test_no_compiler_is_looked_for(bench: Bench, tmp_path: Path) -> None:
    wheel = built(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED}))
    assert set(wheel.toolchain) == {"python"}
    assert unfit(recipe(toolchain={"gcc": ">=99"}), where(), bench.workshop) is None


def test_a_host_without_a_sandbox_builds_it_all_the_same_and_says_so(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    sealed = built(Bench(root=tmp_path / "other"), path)
    refusing = tmp_path / "bin"
    refusing.mkdir()
    for name in ("bwrap", "unshare"):
        (refusing / name).write_text("#!/bin/sh\necho 'Operation not permitted' >&2; exit 1\n")
        (refusing / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{refusing}:{os.environ['PATH']}")
    wheel = built(bench, path)
    assert (wheel.sha256, wheel.sandbox) == (sealed.sha256, "none")
    (told,) = [event.text for event in bench.events if isinstance(event, Note) and event.level == "warning"]
    assert told.startswith("no sandbox works here")
    assert "Operation not permitted" in told


def test_a_trial_that_ctrl_c_ended_is_no_host_without_a_sandbox(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(recipe(), where())
    monkeypatch.setattr(sandbox, "find_sandbox", _killed)
    process.stop_all()
    try:
        bench.workshop.sandbox_for(spec)
    finally:
        process.resume()
    assert bench.events == []


def _killed() -> Sandbox:
    raise SandboxUnavailableError("No sandbox.", why="bubblewrap: status -9")


def test_a_host_that_lets_nobody_mount_still_cuts_the_network_off(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = tmp_path / "bin"
    refusing.mkdir()
    (refusing / "bwrap").write_text("#!/bin/sh\nexit 1\n")
    (refusing / "unshare").write_text(
        '#!/bin/sh\ncase " $* " in *" --mount "*" sandbox "*) exit 1;; esac\nexec /usr/bin/unshare "$@"\n'
    )
    for program in refusing.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{refusing}:{os.environ['PATH']}")
    asking = "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 5)\n"
    asking += (
        "except OSError as error:\n    assert error.errno == 101, error\nelse:\n    raise SystemExit(1)\n"
    )
    wheel = built(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED, "backend.py": asking + BACKEND}))
    assert wheel.sandbox == "network-namespace"


def test_a_release_without_any_npu_project_file_is_refused_and_the_folder_is_kept(
    bench: Bench, tmp_path: Path
) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED}, version="3.0")
    with pytest.raises(
        ProjectFileMissingError, match=r"^server 3\.0: no NPU project file is known"
    ) as caught:
        built(bench, path, version="3.0")
    assert "[[build.project_file.editions]]" in caught.value.next_step
    assert list((bench.root / "builds").rglob("source/pyproject.toml"))


def test_a_wheel_of_another_release_is_refused(bench: Bench, tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED.replace('"1.0"', '"1.1"')})
    with pytest.raises(WrongWheelError, match=r"^The build gave server-1\.1-py3-none-any\.whl, not"):
        built(bench, path)


def test_compiled_code_in_a_pure_wheel_is_refused(bench: Bench, tmp_path: Path) -> None:
    backend = BACKEND.replace("py3-none-any", "cp311-cp311-linux_x86_64")
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED, "backend.py": backend})
    with pytest.raises(WrongWheelError, match="which holds compiled code"):
        built(bench, path)


@pytest.mark.parametrize("content", [b"<html>", b""])
def test_a_file_that_is_no_archive_is_refused(bench: Bench, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "server-1.0.tar.gz"
    path.write_bytes(content)
    with pytest.raises(BadArchiveError, match=r"^server-1\.0\.tar\.gz cannot be unpacked"):
        built(bench, path)


def test_an_archive_that_reaches_outside_is_refused(bench: Bench, tmp_path: Path) -> None:
    path = sdist(tmp_path, {"../../outside": "x", "pyproject.toml": PUBLISHED})
    with pytest.raises(BadArchiveError, match="outside"):
        built(bench, path)


def test_an_archive_without_a_project_is_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(NoProjectError, match=r"there is no pyproject\.toml"):
        built(bench, sdist(tmp_path, {}))


def test_an_archive_that_was_changed_in_the_store_is_refused(bench: Bench, tmp_path: Path) -> None:
    """The error is made from other words than its text, in another process."""
    starts = sources(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED}))
    blob = bench.store.path(starts.digest)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes() + b"x")
    with pytest.raises(DamagedBlobError) as caught:
        outcome(bench, recipe(), starts, where())
    assert isinstance(caught.value, IntegrityError)
    assert caught.value.sha256 == starts.digest


def test_a_process_that_dies_is_told(bench: Bench, tmp_path: Path) -> None:
    unsealed = replace(bench.workshop, sandbox=False)
    backend = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"
    starts = sources(bench, sdist(tmp_path, {"pyproject.toml": PUBLISHED, "backend.py": backend}))
    with pytest.raises(WorkerFailedError, match=r"^The process that built server ended without an answer"):
        build_component(recipe(), where(), starts, unsealed)


def test_another_releases_dependency_list_is_no_part_of_the_key(bench: Bench, tmp_path: Path) -> None:
    path = sdist(tmp_path, {"pyproject.toml": PUBLISHED})
    before = built(bench, path)
    later = {"versions": ">=2", "source": "a test", "dependencies": ["torch", "later"]}
    after = built(bench, path, project_file={**TABLE["project_file"], "editions": [EDITION, later]})
    assert (after.key, after.cached) == (before.key, True)


def test_a_project_whose_list_is_made_by_its_setup_gets_the_recipes_and_asks_for_nothing_more(
    bench: Bench, tmp_path: Path
) -> None:
    """As vLLM: `dependencies` are dynamic, and its build system asks for what an empty target does without."""
    dynamic = PUBLISHED.replace('dependencies = ["cuda-python"]', 'dynamic = ["dependencies"]')
    dynamic = dynamic.replace("requires = []", 'requires = ["torch"]')
    path = sdist(tmp_path, {"pyproject.toml": dynamic})
    with pytest.raises(EnvironmentIncompleteError, match=r"^server wants torch to build"):
        built(bench, path)
    with opened(bench, built(bench, path, own_requirements=False), tmp_path) as archive:
        assert [str(need) for need in archive.metadata.requires_dist or []] == ["torch"]


def test_a_list_put_in_place_is_no_longer_dynamic(tmp_path: Path) -> None:
    """A backend would take both for a fault, or its own list before ours."""
    head = '[project]\nname = "server"\ndynamic = ["version", "dependencies", "optional-dependencies"]\n'
    (tmp_path / "pyproject.toml").write_text(head)
    table = ProjectFile.model_validate(TABLE["project_file"])
    put_project_file(tmp_path, table, name="server", version="1.0")
    assert tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["dynamic"] == ["version"]
