import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe, Recipes
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.console.plan_view import as_document, show
from ascend_wheelhouse.console.tree_view import TreeRow
from ascend_wheelhouse.locks.lock import (
    UNLOCKED,
    BadLockError,
    Inputs,
    Lock,
    LockedPayload,
    LockedSource,
    Pending,
    digest,
    files,
    load,
    save,
)
from ascend_wheelhouse.locks.lock_diff import compare
from ascend_wheelhouse.locks.lock_recipes import ForeignLockError, require_recipes
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.plan import plan

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def cell() -> Cell:
    return Cell(
        stack="s",
        target=Target.named("aarch64"),
        cann="8.5.0",
        components={"sglang": "1.0", "torch": "2.8.0", "nnal": "8.5.0"},
    )


def wheel(name: str, version: str = "1.0", *, sha256: str = A, via: tuple[str, ...] = ()) -> LockedFile:
    filename = f"{name}-{version}-py3-none-any.whl"
    artifact = Artifact(filename=filename, size=3, sha256=sha256)
    return LockedFile(name=name, version=version, artifact=artifact, via=via)


@pytest.fixture
def lock(cell: Cell) -> Lock:
    source = LockedSource(
        component="sglang",
        version="1.0",
        origin="sdist",
        archive=Artifact(filename="sglang-1.0.tar.gz", size=9, sha256=B),
        environment=(wheel("setuptools", "79.0.1"),),
        wheel=wheel("sglang", "1.0+npu", sha256=C),
        build={"archive": {"filename": "sglang-1.0.tar.gz", "sha256": B, "epoch": 7}},
    )
    return Lock(
        stack=cell.stack_id,
        platform="aarch64",
        cell=cell.as_manifest(),
        derived=False,
        recipes_digest=A,
        wheels=(
            wheel("numpy", via=("torch",)),
            replace(wheel("torch", "2.8.0"), component="torch", note="CPU build"),
        ),
        sources=(source,),
        payloads=(
            LockedPayload(
                component="uv",
                version="1",
                artifact=Artifact(filename="uv-1.whl", size=1, sha256=A),
                origin="index",
            ),
        ),
        pending=(Pending(component="nnal", reason=UNLOCKED, supply="invoke vendor FILE"),),
        inputs=Inputs(
            requirements=("torch==2.8.0",),
            excludes=("triton",),
            exclude_newer="2026-11-22T00:00:00+00:00",
            extra_indexes=({"url": "https://example.org/cpu", "names": ["torch"]},),
        ),
    )


def test_a_lock_of_the_first_schema_names_the_same_archive(tmp_path: Path, cell: Cell, lock: Lock) -> None:
    """It had no build table for a component that is built from its archive alone."""
    save(lock, cell.target, tmp_path)
    path = tmp_path / "sources.aarch64.toml"
    table = tomllib.loads(path.read_text())
    del table["source"][0]["build"]
    path.write_text(tomli_w.dumps(table | {"schema": 1}))
    found = load(tmp_path, cell)
    assert found is not None
    (source,), (before,) = found.sources, lock.sources
    assert source.build["archive"] == {"filename": "sglang-1.0.tar.gz", "sha256": B}
    assert replace(source, build=before.build) == before


def test_what_is_saved_is_what_is_read(tmp_path: Path, cell: Cell, lock: Lock) -> None:
    save(lock, cell.target, tmp_path)
    assert load(tmp_path, cell) == lock


def test_equal_locks_give_equal_bytes(cell: Cell, lock: Lock) -> None:
    turned = replace(lock, wheels=tuple(reversed(lock.wheels)))
    assert digest(turned, cell.target) == digest(lock, cell.target)
    assert digest(replace(lock, derived=True), cell.target) != digest(lock, cell.target)


def test_a_lock_names_no_host_and_no_absolute_path(cell: Cell, lock: Lock) -> None:
    for text in files(lock, cell.target).values():
        assert "://" not in text.replace("https://example.org/cpu", "")
        assert 'path = "/' not in text


def test_a_lock_that_was_edited_to_pieces_is_refused_with_its_name(
    tmp_path: Path, cell: Cell, lock: Lock
) -> None:
    save(lock, cell.target, tmp_path)
    (tmp_path / "payloads.aarch64.toml").write_text("[[payload]]\ncomponent = 'uv'\n")
    with pytest.raises(BadLockError, match=r"payloads\.aarch64\.toml: it lacks 'schema'") as caught:
        load(tmp_path, cell)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "lost", ["sources.aarch64.toml", "payloads.aarch64.toml", "requirements.aarch64.txt"]
)
def test_a_lock_that_lacks_a_file_of_its_set_is_refused_with_the_name_of_the_file(
    tmp_path: Path, cell: Cell, lock: Lock, lost: str
) -> None:
    save(lock, cell.target, tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(BadLockError, match=rf"/{re.escape(lost)} is missing\.") as caught:
        load(tmp_path, cell)
    assert caught.value.exit_code == 2
    assert "`invoke lock --upgrade {cell}`" in caught.value.next_step


@pytest.mark.parametrize(
    ("file", "row", "changed"),
    [
        ("sources", 'filename = "sglang-1.0.tar.gz"', 'filename = "../../sglang-1.0.tar.gz"'),
        ("sources", f'sha256 = "{B}"', 'sha256 = "latest"'),
        ("payloads", "size = 1", "size = -1"),
        ("payloads", "size = 1", "size = 999999999999999999"),
    ],
)
def test_a_lock_that_names_a_file_which_cannot_be_is_refused_with_its_name(
    tmp_path: Path, cell: Cell, lock: Lock, file: str, row: str, changed: str
) -> None:
    save(lock, cell.target, tmp_path)
    path = tmp_path / f"{file}.aarch64.toml"
    text = path.read_text()
    assert row in text
    path.write_text(text.replace(row, changed))
    told = rf"/{file}\.aarch64\.toml: \w+\.0\.\w+ is .*, and must be a "
    with pytest.raises(BadLockError, match=told) as caught:
        load(tmp_path, cell)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("row", "changed", "told"),
    [
        ('name = "sglang"', 'name = "1.0"', r"sglang-1\.0\+npu-py3-none-any\.whl is not 1\.0 1\.0\+npu"),
        (
            'version = "79.0.1"',
            'version = "79"',
            r"setuptools-79\.0\.1-py3-none-any\.whl is not setuptools 79",
        ),
        ("-79.0.1-py3-none-any.whl", "-79.0.1.tar.gz", "Invalid wheel filename"),
    ],
)
def test_a_wheel_of_a_source_that_is_not_called_as_its_file_is_refused(
    tmp_path: Path, cell: Cell, lock: Lock, row: str, changed: str, told: str
) -> None:
    save(lock, cell.target, tmp_path)
    path = tmp_path / "sources.aarch64.toml"
    text = path.read_text()
    assert row in text
    path.write_text(text.replace(row, changed))
    with pytest.raises(BadLockError, match=rf"/sources\.aarch64\.toml: {told}"):
        load(tmp_path, cell)


def test_a_locked_wheel_is_named_by_its_file() -> None:
    artifact = Artifact(filename="Torch_NPU-2.8.0.post2-cp311-cp311-linux_aarch64.whl", size=3, sha256=A)
    locked = LockedFile.of(artifact, component="torch-npu", origin="vendored")
    assert (locked.name, locked.version, locked.filename) == ("torch-npu", "2.8.0.post2", artifact.filename)


def test_a_locked_file_that_is_no_wheel_is_named_by_its_component() -> None:
    artifact = Artifact(filename="Ascend-cann-toolkit_8.3.RC2_linux-aarch64.run", size=3, sha256=A)
    assert LockedFile.of(artifact, component="cann").name == "cann"


def test_no_lock_is_no_error(tmp_path: Path, cell: Cell) -> None:
    assert load(tmp_path, cell) is None


def test_every_change_between_two_locks_has_a_reason(lock: Lock) -> None:
    upgraded = replace(
        lock,
        wheels=(wheel("numpy", "2.0", via=("torch",)), wheel("einops", via=("sglang",))),
        sources=(),
        pending=(Pending(component="torch", reason=UNLOCKED, supply="invoke vendor FILE"),),
    )
    told = {change.name: (change.kind, change.reason) for change in compare(lock, upgraded)}
    assert told == {
        "numpy": ("changed", "newest that fits now; needed by torch"),
        "einops": ("added", "needed by sglang"),
        "torch": ("removed", "no origin gives it now: it is pending"),
        "sglang": ("removed", "nothing needs it any more"),
    }
    assert compare(lock, lock) == []


def test_what_goes_into_the_host_and_another_commit_are_changes_as_well(lock: Lock) -> None:
    """A release that was replaced, or a branch that went on, was told as "Nothing changed."."""
    run = Artifact(filename="nnal_8.5.0.run", size=2, sha256=A)
    nnal = LockedPayload(component="nnal", version="8.5.0", artifact=run, origin="url")
    git = LockedSource(component="kernels", version="1.0", origin="git", commit=A[:40])
    before = replace(lock, payloads=(*lock.payloads, nnal), sources=(*lock.sources, git), pending=())
    other = replace(nnal, artifact=replace(run, sha256=C))
    after = replace(
        before, payloads=(other,), sources=(*lock.sources, replace(git, commit=B[:40])), pending=lock.pending
    )
    told = [(change.name, change.kind, change.reason) for change in compare(before, after)]
    assert told == [
        ("kernels", "replaced", "commit aaaaaaaaaaaa became commit bbbbbbbbbbbb"),
        (
            "nnal",
            "replaced",
            f"nnal_8.5.0.run with sha256 {A[:12]} became nnal_8.5.0.run with sha256 {C[:12]}",
        ),
        ("uv", "removed", "nothing needs it any more"),
    ]
    assert [(one.name, one.kind, one.reason) for one in compare(lock, before)] == [
        ("kernels", "added", "an origin gives it now"),
        ("nnal", "added", "an origin gives it now"),
    ]
    (gone,) = compare(before, replace(before, payloads=lock.payloads, pending=lock.pending))
    assert (gone.name, gone.kind, gone.reason) == ("nnal", "removed", "no origin gives it now: it is pending")


def test_a_plan_tells_what_is_there_and_what_is_not(cell: Cell, lock: Lock) -> None:
    rows = {row.step: row for row in plan(cell, lock, {A}.__contains__)}
    assert rows["fetch torch"].state == "cached"
    assert rows["fetch sglang-1.0.tar.gz for sglang"].state == "fetch"
    assert rows["build sglang"].state == "build"
    assert rows["supply nnal"].state == "pending"
    assert "invoke vendor FILE" in rows["supply nnal"].reason
    assert rows["assemble"].state == "build"


def test_a_plan_tells_of_the_kept_trees_of_what_it_builds(
    cell: Cell, lock: Lock, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = TreeRow(name="sglang-0123", component="sglang", size=8192, used=1000)
    rows = plan(cell, lock, {A}.__contains__, kept={"sglang": (tree,)}.__getitem__)
    show(rows, now=1000 + 3 * 3600)
    assert re.search(r"^sglang-0123 +8 kB +3 hours ago$", capsys.readouterr().out, re.MULTILINE)
    document = json.loads(json.dumps(as_document(rows)))
    (told,) = [row for row in document["steps"] if row["trees"]]
    assert (told["step"], told["trees"][0]["size"]) == ("build sglang", 8192)


def test_a_plan_that_builds_nothing_tells_of_no_kept_trees(cell: Cell, lock: Lock) -> None:
    tree = TreeRow(name="sglang-0123", component="sglang", size=8192, used=1000)
    assert not any(row.trees for row in plan(cell, lock, lambda _: True, kept=lambda _: (tree,)))


def test_a_plan_sees_what_was_imported(cell: Cell, lock: Lock) -> None:
    given = {"nnal": "nnal.run"}
    rows = {row.step: row for row in plan(cell, lock, {A}.__contains__, lambda name: given.get(name, ""))}
    assert (rows["supply nnal"].state, rows["supply nnal"].reason) == ("cached", "nnal.run was imported")


def test_a_plan_names_steps_after_what_they_need(cell: Cell, lock: Lock) -> None:
    rows = plan(cell, lock, lambda _: True, finished=True)
    names = [row.step for row in rows]
    assert (
        names.index("fetch sglang-1.0.tar.gz for sglang")
        < names.index("build sglang")
        < names.index("assemble")
    )
    assert {row.state for row in rows} == {"cached", "pending"}


def test_without_a_lock_the_plan_ends_at_resolving(cell: Cell) -> None:
    assert plan(cell, None, lambda _: False)[-1].step == "resolve"


def recipes_for(lock: Lock) -> Recipes:
    build = {"backend": "pep517", "pure": True, "distributions": ["sglang"]}
    found: dict[str, Recipe] = {}
    for name in ("torch", "uv", "nnal", "sglang"):
        plain = {"name": name, "summary": "small", "licence": "MIT", "distribution": name, "owns": [name]}
        origin = {"kind": "sdist" if name == "sglang" else "index"}
        table = plain | {"origins": [origin]} | ({"build": build} if name == "sglang" else {})
        found[name] = Recipe.model_validate(table)
    assert {source.component for source in lock.sources} <= found.keys()
    return found


def test_a_lock_that_goes_with_the_recipes_is_taken(lock: Lock) -> None:
    assert require_recipes(lock, recipes_for(lock)) is lock


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pending": (Pending(component="nonesuch", reason="", supply=""),)}, "no recipe 'nonesuch'"),
        ({"wheels": (wheel("a"), wheel("a"))}, "'a' stands there 2 times"),
        (
            {"wheels": (wheel("a"), replace(wheel("a"), name="b"))},
            "'a-1.0-py3-none-any.whl' stands there 2 times",
        ),
        (
            {"sources": (LockedSource(component="torch", version="1", origin="git", build={"git": {}}),)},
            "the recipe 'torch' has no [build] table",
        ),
    ],
    ids=["an unknown component", "a name twice", "a file twice", "no build"],
)
def test_a_lock_that_does_not_go_with_the_recipes_is_exit_2(
    lock: Lock, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ForeignLockError) as caught:
        require_recipes(replace(lock, **change), recipes_for(lock))
    assert told in caught.value.what
    assert caught.value.exit_code == 2
    assert "invoke lock --upgrade" in caught.value.next_step
