"""`invoke matrix --verify` whole, as a user runs it: made, built on a worker, audited, verified on a worker, packed.

No NPU is here: the label of the worker that verifies is given by hand, and the report says what it is.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from farm_rig import Rig, rig, until
from index_server import Handler, serving
from page_reading import Page
from small_wheelhouse import MACHINE
from small_world import Invoked, World
from whole_cells import BAD, GOOD, name_of, whole_cells

from ascend_wheelhouse.node.verify.report import read_report

CHIP = ("--label", "npu=a3")
PASSES, FAILS, ALONE = name_of(GOOD, "a3"), name_of(BAD, "a3"), name_of(GOOD, "910b")
_MATRIX = f"""[axes]
stack = ["{GOOD}", "{BAD}"]
npu = "a3"
platform = "{MACHINE}"

[[include]]
stack = "{GOOD}"
npu = "910b"
platform = "{MACHINE}"
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A matrix of three cells, made in one run, and what that said."""

    world: World
    farm: Rig
    ended: Invoked
    words: tuple[str, ...]
    page: str

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """The cells as `--json` tells them."""
        return cells(self.ended)


def cells(ended: Invoked) -> dict[str, dict[str, Any]]:
    return {cell["name"]: cell for cell in json.loads(ended.out)["cells"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Nothing is locked before it: one cell passes, one fails, and no worker is for the third."""
    with serving() as index, rig(tmp_path_factory.mktemp("farm")) as farm:
        world = whole_cells(tmp_path_factory.mktemp("whole"), index)
        (world.root / "matrix.toml").write_text(_MATRIX)
        key = world.root / "key"
        assert world.invoke("keygen", str(key)).status == 0
        farm.scheduler()
        farm.worker("plain")
        farm.worker("node", *CHIP)
        packed = ("--bundle", "--serial", "7", "--sign-key", str(key))
        words = ("matrix", "--resolver", "uv", "--verify", *packed, "--scheduler", farm.address)
        ended = world.invoke(*words, "--json")
        page = Page((world.root / "wheelhouse/matrix.html").read_text()).text
        yield Run(world=world, farm=farm, ended=ended, words=words, page=page)


def test_a_whole_cell_is_made_verified_on_the_worker_of_its_chip_and_packed(run: Run) -> None:
    cell = run.cells[PASSES]
    assert (cell["state"], cell["made"], cell["audit"]["error"], cell["error"]) == ("complete", True, 0, None)
    assert (cell["verify"]["state"], cell["verify"]["of"]) == ("partial (no NPU)", "these files")
    assert cell["verify"]["counts"].startswith("5 passed, 0 failed")
    report = read_report(Path(cell["verify"]["report"]))
    assert report.cell["npu"] == "a3"
    assert {one.verdict for one in report.results if "npu" in one.markers} == {"skipped"}
    key = cell["bundle"]["fingerprint"]
    proven = run.world.invoke("bundle", "--verify", cell["bundle"]["paths"][0], "--trusted-key", key)
    assert proven.status == 0, proven.err


def test_its_component_was_built_by_a_worker(run: Run) -> None:
    stores = [run.farm.store_of(name) for name in ("plain", "node")]
    assert [path for store in stores for path in store.glob("results/*/build-*")]


def test_the_run_ends_with_9_for_the_cell_that_fails_which_is_not_packed(run: Run) -> None:
    cell = run.cells[FAILS]
    assert run.ended.status == 9
    assert (cell["state"], cell["step"], cell["exit_code"], cell["bundle"]) == ("complete", "verify", 9, None)
    assert "torch-cpu: AttributeError" in cell["error"]["why"]
    report = read_report(Path(cell["verify"]["report"]))
    assert report.outcome == "failed"
    assert cell["error"]["what"].endswith(f" on {report.host['name']}: {cell['verify']['counts']}.")
    assert Path(cell["error"]["next"].removeprefix("look at ")).is_file()
    assert "verify failed: 4 passed, 4 failed" in run.ended.err


def test_that_no_worker_is_for_a_cell_is_told_before_the_first_begins(run: Run) -> None:
    first = run.ended.err.splitlines()[0]
    assert first == (
        f"warning: no worker can verify 1 of 3 as yet: {ALONE} wants machine {MACHINE}, npu 910b. "
        f"Workers: node: machine {MACHINE}, npu a3; plain: machine {MACHINE}. "
        "One that joins before a wheelhouse is finished verifies it"
    )
    cell = run.cells[ALONE]
    assert (cell["verify"]["state"], cell["exit_code"]) == ("not verified", 0)
    assert cell["verify"]["why"] == f"no worker has machine {MACHINE}, npu 910b"
    assert cell["bundle"]["paths"]


def test_the_page_says_the_same(run: Run) -> None:
    assert "3 of 3 cells complete, 1 failed in the step verify, " in run.page
    assert "partial (no NPU), 5 passed, 0 failed" in run.page
    assert "complete, verify failed (exit 9)" in run.page
    assert "CellFailedError, exit 9, in the step verify" in run.page
    assert f"not verified (no worker has machine {MACHINE}, npu 910b)" in run.page


def test_a_dry_run_says_what_follows_a_finished_wheelhouse(run: Run) -> None:
    told = run.world.invoke(*run.words, "--dry-run", "--json")
    assert [cell["then"] for cell in json.loads(told.out)["cells"]] == [["verify", "bundle"]] * 3
    shown = run.world.invoke(*run.words, "--dry-run").out
    assert "verify, bundle" in shown
    assert "nothing to do" not in shown
    assert "finished, nothing to do" in run.world.invoke("matrix", "--resolver", "uv", "--dry-run").out


def test_a_cell_that_failed_is_not_packed_because_nobody_could_verify_it_again(run: Run) -> None:
    """Its last report is of these very files; that of the other cell is kept, and said to be no news."""
    words = [word for word in run.words if word not in {"--scheduler", run.farm.address}]
    again = run.world.invoke(*words, "--json")
    failed, passed = cells(again)[FAILS], cells(again)[PASSES]
    assert again.status == 9
    assert (failed["step"], failed["exit_code"], failed["bundle"]) == ("verify", 9, None)
    assert failed["error"]["why"] == (
        "Nobody could verify it again: this host has no npu a3; --scheduler names a farm."
    )
    assert (passed["verify"]["state"], passed["exit_code"]) == ("partial (no NPU)", 0)
    shown = " ".join(run.world.invoke(*words).out.split())
    page = Page((run.world.root / "wheelhouse/matrix.html").read_text()).text
    assert "Z; not verified now: this host has no npu a3" in page
    assert "verify partial (no NPU); not verified now: this host has no npu a3; --scheduler" in shown


def test_a_worker_that_joins_while_a_cell_is_made_verifies_it(tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(handler: Handler) -> None:
        reached.set()
        go_on.wait(60)
        handler.reply(503)

    with serving() as index, rig(tmp_path / "farm") as farm:
        (tmp_path / "project").mkdir()
        world = whole_cells(tmp_path / "project", index)
        farm.scheduler()
        farm.worker("plain")
        index.behave("tqdm-4.0-py3-none-any.whl", hold)
        words = ("matrix", "--resolver", "uv", "--npu", "a3", "--platform", MACHINE, "--verify", "--json")
        ended: list[Invoked] = []
        master = threading.Thread(
            target=lambda: ended.append(world.invoke(*words, "--scheduler", farm.address))
        )
        master.start()
        try:
            assert reached.wait(60)
            farm.worker("late", *CHIP)
        finally:
            go_on.set()
            master.join(120)
        until(lambda: ended, "the run ended")
        (done,) = ended
        assert done.status == 0, done.err
        assert "no worker can verify 1 of 1 as yet" in done.err
        assert cells(done)[PASSES]["verify"]["state"] == "partial (no NPU)"
