"""`invoke matrix` from end to end, as a user runs it, against an index on the loopback."""

from __future__ import annotations

import json
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from index_server import Handler, serving, status
from small_world import ROOT, Invoked, World, found, recipes_into, wheel

from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.make.options import LockChoice, MakeOptions
from ascend_wheelhouse.matrix.make_cell import make_cell
from ascend_wheelhouse.matrix.orders import CellOrder

A3 = "sglang1.0-torch2.8.0-cann8.5.0-a3-aarch64"
B = "sglang1.0-torch2.8.0-cann8.5.0-910b-aarch64"
CHIPS = ("--npu", "a3", "--npu", "910b")
Asked = Counter[str]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with a lock for each chip."""
    with serving() as index:
        made = found(tmp_path_factory.mktemp("locked"), index)
        for chip in ("a3", "910b"):
            done = made.invoke("lock", "--resolver", "uv", "--npu", chip)
            assert done.status == 0, done.err
        yield made


def fresh(locked: World, root: Path) -> World:
    """Return a world with the locks and the index of another, and an empty store."""
    recipes_into(root / "recipes")
    (root / "tasks.py").symlink_to(ROOT / "tasks.py")
    shutil.copytree(locked.root / "lockfiles", root / "lockfiles")
    locked.index.asked.clear()
    locked.index.behaviours.clear()
    return World(root=root, index=locked.index)


@pytest.fixture
def world(locked: World, tmp_path: Path) -> World:
    return fresh(locked, tmp_path)


def run(world: World, *words: str, **env: str) -> Invoked:
    """Run `invoke matrix` with the faster resolver."""
    return world.invoke("matrix", "--resolver", "uv", *words, **env)


def document(ended: Invoked) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(ended.out)
    return answer


def files_asked(world: World) -> Asked:
    """Return how often each file was asked for from its start."""
    return Counter(
        name
        for method, name, headers in world.index.asked
        if method == "GET"
        and name in world.index.files
        and headers.get("Range", "bytes=0-").startswith("bytes=0-")
    )


def pages_asked(world: World) -> Asked:
    """Return how often each project's page was asked for."""
    projects = {file.project for file in world.index.files.values()}
    return Counter(name for method, name, _ in world.index.asked if method == "GET" and name in projects)


@pytest.fixture(scope="module")
def both(locked: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, dict[str, Any], Asked]:
    """Both chips, made in one run, what it said and what it asked for; tests leave them as they are."""
    made = fresh(locked, tmp_path_factory.mktemp("matrix"))
    done = run(made, *CHIPS, "--json")
    assert done.status == 0, done.err + done.out
    return made, document(done), files_asked(made) + pages_asked(made)


def test_one_run_makes_every_cell_and_asks_for_each_file_and_each_page_once(
    both: tuple[World, dict[str, Any], Asked],
) -> None:
    world, said, asked = both
    assert [cell["name"] for cell in said["cells"]] == [A3, B]
    assert all((world.root / "wheelhouse" / name / "manifest.json").is_file() for name in (A3, B))
    assert asked["torch-2.8.0-py3-none-any.whl"] == 1
    assert asked["torch"] == 1
    assert set(asked.values()) == {1}, asked


def test_cells_are_what_they_are_when_made_alone(
    both: tuple[World, dict[str, Any], Asked], tmp_path: Path
) -> None:
    world, _, _ = both
    alone = tmp_path / "alone"
    assert world.make("--npu", "910b", "--output", str(alone)).status == 0
    names = {path.relative_to(alone / B) for path in (alone / B).rglob("*") if path.is_file()}
    together = world.root / "wheelhouse" / B
    assert {path.relative_to(together) for path in together.rglob("*") if path.is_file()} == names
    assert all((alone / B / name).read_bytes() == (together / name).read_bytes() for name in names)


def test_a_cell_that_lacks_a_component_is_not_verified_and_says_so(
    both: tuple[World, dict[str, Any], Asked],
) -> None:
    world, _, _ = both
    done = run(world, *CHIPS, "--verify", "--json")
    assert done.status == 0, done.err
    found = [cell["verify"] for cell in document(done)["cells"]]
    assert [(one["state"], one["why"]) for one in found] == [("not verified", "it lacks nnal")] * 2


def test_the_document_says_what_each_cell_lacks_and_what_supplies_it(
    both: tuple[World, dict[str, Any], Asked],
) -> None:
    _, said, _ = both
    for cell in said["cells"]:
        assert cell["state"] == "incomplete"
        assert [one["component"] for one in cell["pending"]] == ["nnal"]
        assert cell["pending"][0]["supply"] == "`invoke vendor FILE`"
        assert cell["audit"]["error"] == 0
        assert cell["verify"]["state"] == "not verified"
    assert said["exit_code"] == 0


def test_it_counts_what_only_one_cell_has_and_what_several_share(
    both: tuple[World, dict[str, Any], Asked],
) -> None:
    world, said, _ = both
    files = {
        name: {
            file["sha256"]: file["size"]
            for file in json.loads((world.root / "wheelhouse" / name / "manifest.json").read_text())["files"]
        }
        for name in (A3, B)
    }
    own = {key: size for key, size in files[A3].items() if key not in files[B]}
    share = said["cells"][0]["share"]
    assert (share["own_files"], share["own_size"]) == (len(own), sum(own.values()))
    assert share["shared_size"] == sum(size for key, size in files[A3].items() if key in files[B])
    assert said["distinct"] == sum({**files[A3], **files[B]}.values())


def test_a_finished_matrix_asks_nothing_and_says_the_same(both: tuple[World, dict[str, Any], Asked]) -> None:
    world, said, _ = both
    world.index.asked.clear()
    again = run(world, *CHIPS, "--json")
    assert again.status == 0
    assert world.index.asked == []
    told = document(again)
    assert [cell.pop("made") for cell in told["cells"]] == [False, False]
    assert [cell.pop("made") for cell in json.loads(json.dumps(said))["cells"]] == [True, True]
    kept = [{key: value for key, value in cell.items() if key != "made"} for cell in said["cells"]]
    assert told["cells"] == kept


@pytest.mark.parametrize("changed", ["recipes/torch.toml", "matrix.toml", "lockfiles", "wheelhouse"])
def test_a_finished_matrix_reads_no_recipe_until_something_has_changed(world: World, changed: str) -> None:
    recipes = "ascend_wheelhouse.cells.recipe\n"
    (world.root / "matrix.toml").write_text('[axes]\nnpu = "a3"\n')
    first = run(world, "--json", PYTHONPROFILEIMPORTTIME="1")
    assert first.status == 0
    assert recipes in first.err
    second = run(world, "--json", PYTHONPROFILEIMPORTTIME="1")
    assert second.status == 0
    assert recipes not in second.err
    _change(world, changed)
    again = run(world, "--json")
    assert again.status == (2 if changed == "matrix.toml" else 0), again.err
    if changed in {"recipes/torch.toml", "lockfiles", "wheelhouse"}:
        assert document(again)["cells"][0]["made"]


def _change(world: World, what: str) -> None:
    if what == "wheelhouse":
        (world.root / what / A3 / "manifest.json").unlink()
    elif what == "lockfiles":
        (lock,) = world.root.glob("lockfiles/*-a3/pylock.aarch64.toml")
        lock.write_text(f"# seen\n{lock.read_text()}")
    elif what == "matrix.toml":
        (world.root / what).write_text('[axes]\nnpu = "nothing"\n')
    else:
        with (world.root / what).open("a") as file:
            file.write("# seen\n")


def test_a_table_and_a_line_a_stage_are_for_people(both: tuple[World, dict[str, Any], Asked]) -> None:
    world, _, _ = both
    told = run(world, *CHIPS, "--retry")
    assert told.status == 0, told.err
    assert f"{A3}: fetch: cached" in told.err
    assert f"{B}: audit: read wheels: cached" in told.err
    assert "0 of 2 cells complete, 2 incomplete" in told.out
    assert "nnal\n  cells  1, 2\n" in told.out
    assert "verify   not verified" in told.out


def test_a_dry_run_says_what_each_would_do_and_does_nothing(world: World) -> None:
    shutil.rmtree(world.root / "lockfiles/sglang1.0-torch2.8.0-cann8.5.0-910b")
    told = run(world, *CHIPS, "--dry-run", "--json")
    first, second = document(told)["cells"]
    assert (first["lock"], second["lock"]) == ("committed", "new")
    assert first["fetch_files"] > 0
    assert second["note"] == "files are known when the lock is made"
    assert world.index.asked == []
    assert not (world.root / "wheelhouse").exists()


def test_a_dry_run_names_no_step_that_pending_components_forbid(world: World) -> None:
    """None verifies a cell that lacks something, and it is packed with --allow-incomplete alone; finished ones too."""
    steps = ("--verify", "--bundle", "--serial", "7")
    lists = ("--npu", "a3", *steps, "--dry-run", "--json")
    assert document(run(world, *lists))["cells"][0]["pending"]
    assert document(run(world, *lists))["cells"][0]["then"] == []
    assert document(run(world, *lists, "--allow-incomplete"))["cells"][0]["then"] == ["bundle"]
    assert run(world, "--npu", "a3").status == 0
    finished = document(run(world, *lists))["cells"][0]
    assert finished["finished"]
    assert finished["pending"]
    assert finished["then"] == []


def test_what_fails_in_one_cell_stops_no_other(world: World) -> None:
    """No index has torch 2.9.9: its cell has its error in its row, the other is made, the code is that error's."""
    (world.root / "matrix.toml").write_text(
        '[axes]\nnpu = "a3"\ntorch = ["2.8.0", "2.9.9"]\nplatform = "aarch64"\n'
    )
    done = run(world, "--json")
    good, bad = document(done)["cells"]
    assert done.status == 3, done.err
    assert good["state"] == "incomplete"
    assert good["error"] is None
    assert bad["state"] == "failed"
    assert bad["error"]["error"] == "UnknownTorchError"
    assert bad["error"]["next"].startswith("`invoke wheelhouse --torch VERSION --platform aarch64")
    page = (world.root / "wheelhouse/matrix.html").read_text()
    assert "UnknownTorchError" in page


def test_the_gravest_failure_decides_the_exit_code(world: World) -> None:
    """Changed bytes (5) count more than a torch that is nowhere (3)."""
    (world.root / "matrix.toml").write_text('[[include]]\nnpu = "910b"\n[[include]]\ntorch = "2.9.9"\n')
    for lock in world.root.glob("lockfiles/*/pylock.aarch64.toml"):
        text = lock.read_text()
        digest = world.index.files["numpy-2.0-py3-none-any.whl"].sha256 or ""
        lock.write_text(text.replace(digest, "0" * 64))
        other = lock.with_name("requirements.aarch64.txt")
        other.write_text(other.read_text().replace(digest, "0" * 64))
    done = run(world, "--json")
    assert [cell["exit_code"] for cell in document(done)["cells"]] == [5, 3]
    assert done.status == 5


def test_strict_makes_a_pending_component_the_error_of_its_cell(world: World) -> None:
    done = run(world, "--npu", "a3", "--strict", "--json")
    (cell,) = document(done)["cells"]
    assert done.status == 8
    assert (cell["state"], cell["step"], cell["exit_code"]) == ("incomplete", "strict", 8)


def test_ctrl_c_ends_all_cells_and_the_next_run_goes_on(world: World) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(handler: Handler) -> None:
        reached.set()
        go_on.wait(300)
        handler.reply(503)

    world.index.behave("torchvision-0.23.0-py3-none-any.whl", *[hold] * 20)
    words = [f"{Path(sys.executable).parent}/invoke", "matrix", "--resolver", "uv", *CHIPS]
    env = {**world.env, "PIP_TIMEOUT": "600"}
    with subprocess.Popen(words, cwd=world.root, env=env, stderr=subprocess.PIPE) as process:
        assert reached.wait(60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=90)
    go_on.set()
    world.index.behaviours.clear()
    assert process.returncode == 130
    assert b"the next run goes on from there" in err
    before = files_asked(world)
    assert run(world, *CHIPS).status == 0
    again = files_asked(world) - before
    assert again["torchvision-0.23.0-py3-none-any.whl"] == 1
    assert all((world.root / "wheelhouse" / name / "manifest.json").is_file() for name in (A3, B))


def test_an_origin_that_fails_for_a_while_fails_only_the_cells_that_need_it(world: World) -> None:
    world.index.behave("einops-0.8-py3-none-any.whl", *[status(404)] * 20)
    done = run(world, "--npu", "a3", "--json")
    assert done.status == 4
    world.index.behaviours.clear()
    assert run(world, "--npu", "a3", "--json").status == 0


def test_cells_are_packed_and_signed_and_a_bundle_that_lies_there_is_not_written_again(world: World) -> None:
    key = world.root / "key"
    assert world.invoke("keygen", str(key)).status == 0
    words = (*CHIPS, "--bundle", "--allow-incomplete", "--sign-key", str(key), "--serial", "7", "--json")
    first = run(world, *words)
    assert first.status == 0, first.err
    bundles = [cell["bundle"] for cell in document(first)["cells"]]
    paths = [Path(one["paths"][0]) for one in bundles]
    assert [path.name for path in paths] == [f"{A3}.tar", f"{B}.tar"]
    for path, bundle in zip(paths, bundles, strict=True):
        proven = world.invoke("bundle", "--verify", str(path), "--trusted-key", bundle["fingerprint"])
        assert proven.status == 0, proven.err
    stamps = [path.stat().st_mtime_ns for path in paths]
    assert [cell["bundle"] for cell in document(run(world, *words))["cells"]] == bundles
    assert [path.stat().st_mtime_ns for path in paths] == stamps
    paths[0].unlink()
    assert run(world, *words).status == 0
    assert paths[0].is_file()


def test_a_bundle_is_signed_anew_where_another_key_lies_at_the_same_path(world: World) -> None:
    key = world.root / "key"
    assert world.invoke("keygen", str(key)).status == 0
    words = (
        "--npu",
        "a3",
        "--bundle",
        "--allow-incomplete",
        "--sign-key",
        str(key),
        "--serial",
        "7",
        "--json",
    )
    (first,) = document(run(world, *words))["cells"]
    key.unlink()
    Path(f"{key}.pub").unlink()
    (kept,) = document(run(world, *words))["cells"]
    assert kept["bundle"] == first["bundle"]
    assert world.invoke("keygen", str(key)).status == 0
    (second,) = document(run(world, *words))["cells"]
    assert second["bundle"]["fingerprint"] != first["bundle"]["fingerprint"]
    proof = ("bundle", "--verify", second["bundle"]["paths"][0], "--trusted-key", f"{key}.pub")
    assert world.invoke(*proof).status == 0


@pytest.mark.parametrize("packed_before", [False, True])
def test_an_incomplete_cell_is_not_packed_unless_that_is_allowed(
    world: World, *, packed_before: bool
) -> None:
    if packed_before:
        assert run(world, "--npu", "a3", "--bundle", "--serial", "7", "--allow-incomplete").status == 0
    done = run(world, "--npu", "a3", "--bundle", "--serial", "7", "--json")
    (cell,) = document(done)["cells"]
    assert (done.status, cell["step"], cell["error"]["error"]) == (8, "bundle", "WheelhouseIncompleteError")
    assert cell["bundle"] is None
    assert cell["folder"]


def test_a_wheelhouse_that_nobody_audited_is_audited_before_anything_is_said_of_it(world: World) -> None:
    left_out = document(run(world, "--npu", "a3", "--no-audit", "--json"))
    assert left_out["cells"][0]["audit"] is None
    told = document(run(world, "--npu", "a3", "--json"))["cells"][0]
    assert (told["made"], told["audit"]["error"]) == (True, 0)
    assert document(run(world, "--npu", "a3", "--json"))["cells"][0]["made"] is False


def test_a_cell_whose_defect_no_audit_let_through_fails_once_it_is_audited(world: World) -> None:
    world.index.offer("tqdm-4.1-py3-none-any.whl", wheel("tqdm", "4.1", extra="torch.py"))
    left_out = run(world, "--npu", "a3", "--upgrade", "--no-audit", "--json")
    assert left_out.status == 0, left_out.err
    for _ in range(2):
        done = run(world, "--npu", "a3", "--bundle", "--allow-incomplete", "--serial", "7", "--json")
        (cell,) = document(done)["cells"]
        assert (done.status, cell["error"]["error"], cell["bundle"]) == (7, "DefectError", None)
    assert not (world.root / "bundles").exists()


def test_what_stands_is_told_where_nothing_can_be_kept_beside_the_wheelhouses(world: World) -> None:
    (world.root / "wheelhouse").mkdir()
    (world.root / "wheelhouse/.state").touch()
    done = run(world, "--npu", "a3", "--json")
    (cell,) = document(done)["cells"]
    assert (done.status, cell["error"]["error"]) == (10, "FileTroubleError")
    assert (world.root / "wheelhouse/matrix.html").is_file()


def test_wheelhouses_that_cannot_be_written_are_told_as_such_before_the_work(world: World) -> None:
    (world.root / "file").touch()
    done = run(world, "--npu", "a3", "--output", "file/wheelhouse", "--json")
    told = document(done)
    assert (done.status, told["error"]) == (10, "OutputFolderError")
    assert "--output" in told["next"]


def test_what_one_cell_takes_and_gives_can_be_pickled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker elsewhere gets the order alone."""
    for name, value in world.env.items():
        monkeypatch.setenv(name, value)
    lock = LockChoice(request=Request(torch="2.8.0", target=Target(machine="aarch64")), resolver="uv")
    order = CellOrder(
        number=1,
        name="one",
        words="--torch 2.8.0 --platform aarch64",
        root=world.root,
        make=MakeOptions(lock=lock, output=world.root / "wheelhouse"),
    )
    end = make_cell(pickle.loads(pickle.dumps(order)))  # noqa: S301 - made here
    assert pickle.loads(pickle.dumps(end)) == end  # noqa: S301 - made here
    assert end.error is None
    assert end.folder == world.root / "wheelhouse" / A3
