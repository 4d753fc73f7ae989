"""Verifications on other hosts: no NPU is here, so that labels are given by hand and the reports say what they are."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from farm_rig import Rig, joined, rig, until
from making_builds import Bench
from small_wheelhouse import CELL, SmallWheelhouse, seal

from ascend_wheelhouse.base.errors import BuildError, IntegrityError, WheelhouseError
from ascend_wheelhouse.base.events import JobFinished, JobProgress, JobStarted
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.farm.errors import NoWorkerCouldError
from ascend_wheelhouse.farm.farm import Farm
from ascend_wheelhouse.farm.labels import npu_labels
from ascend_wheelhouse.make.options import LockChoice, MakeOptions
from ascend_wheelhouse.matrix.orders import CellEnd, CellOrder
from ascend_wheelhouse.matrix.standing import standing_of
from ascend_wheelhouse.matrix.verified import reports_below, verification
from ascend_wheelhouse.matrix.verify_cell import CellFailedError, verify_cell
from ascend_wheelhouse.node.verify.report import Report, read_report

CHIP = ("--label", "npu=a3")
_HOLD = (
    "import os, time; open({seen!r}, 'a').write(f'{{os.getpid()}}\\n'); "
    "exec('while os.path.exists(\"{hold}\"): time.sleep(0.05)')"
)
_ESCAPE = """
import os, subprocess, time
told = open({seen!r}, "a")
other = subprocess.Popen(["/usr/bin/env", "sleep", "600"], env={{}}, start_new_session=True)
told.write(f"{{os.getpid()}}\\n{{other.pid}}\\n")
told.close()
time.sleep(600)
"""
_MASTER = """
import sys
from pathlib import Path
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.farm import farm
from ascend_wheelhouse.store.store import Store
address, store, folder, reports = sys.argv[1:]
with farm(FarmChoice(scheduler=address), Store(Path(store)), silent) as found:
    found.verify(Path(folder), Path(reports), Store(Path(store)))
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A farm with one worker that is labelled as a node, and one that is not."""
    with rig(tmp_path_factory.mktemp("nodes")) as made:
        made.scheduler()
        made.worker("node", *CHIP)
        made.worker("plain")
        yield made


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(root=tmp_path / "store")


def wheelhouse(folder: Path, npu: str = "a3", **facts: object) -> Path:
    """Write a small wheelhouse for a chip, under the name that its report has."""
    made = SmallWheelhouse(cell={**CELL, "npu": npu}, **facts)  # type: ignore[arg-type]  # the caller names fields
    return made.write(folder / f"small-{made.head()['platform']}")


def verified(found: Farm, folder: Path, reports: Path, bench: Bench) -> Report:
    """Verify a wheelhouse on a farm that has a worker for it."""
    report = found.telling(bench.events.append).verify(folder, reports, bench.store)
    assert isinstance(report, Report)
    return report


def blob(nodes: Rig, folder: Path) -> Path:
    """Return where the one wheel of a wheelhouse is in the store of the worker that is labelled as a node."""
    (wheel,) = (folder / "wheels").iterdir()
    return Bench(root=nodes.store_of("node")).store.path(hashlib.sha256(wheel.read_bytes()).hexdigest())


def test_a_report_comes_home_of_the_very_files_and_claims_no_npu(
    nodes: Rig, bench: Bench, tmp_path: Path
) -> None:
    folder = wheelhouse(tmp_path)
    with joined(nodes, bench) as (found, _):
        report = verified(found, folder, tmp_path / "reports" / folder.name, bench)
    assert report.outcome == "partial (no NPU)"
    assert report.wheelhouse["digest"] == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    known = verification(folder, reports_below(tmp_path / "reports").reports)
    assert (known.state, known.of) == ("partial (no NPU)", "these files")
    assert JobStarted(job="verify", action="verify on node") in bench.events
    assert any(isinstance(event, JobProgress) and event.line.startswith("node: ") for event in bench.events)
    assert any(isinstance(event, JobFinished) and event.outcome == "done" for event in bench.events)


@pytest.mark.slow
def test_a_second_verification_carries_nothing_again(nodes: Rig, bench: Bench, tmp_path: Path) -> None:
    folder = wheelhouse(tmp_path, stack="twice")
    with joined(nodes, bench) as (found, _):
        verified(found, folder, tmp_path / "one", bench)
        first = blob(nodes, folder).stat().st_ino
        verified(found, folder, tmp_path / "two", bench)
    assert blob(nodes, folder).stat().st_ino == first
    assert (tmp_path / "two/report.html").is_file()


def test_without_a_worker_that_fits_it_is_told_which_labels_were_wanted(
    nodes: Rig, bench: Bench, tmp_path: Path
) -> None:
    folder = wheelhouse(tmp_path, npu="910b")
    with joined(nodes, bench) as (found, _):
        why = verify_cell(folder, tmp_path / "reports", found, bench.store, bench.events.append)
    assert why == f"no worker has machine {CELL['machine']}, npu 910b"
    assert not (tmp_path / "reports").exists()


def test_a_wheelhouse_that_fails_there_fails_here_and_its_report_is_kept(
    nodes: Rig, bench: Bench, tmp_path: Path
) -> None:
    folder = not_installable(wheelhouse(tmp_path))
    with (
        joined(nodes, bench) as (found, _),
        pytest.raises(CellFailedError, match=r"^small-\w+ failed its verification on .*failed") as raised,
    ):
        verify_cell(folder, tmp_path / "reports", found, bench.store, bench.events.append)
    assert raised.value.exit_code == 9
    assert read_report(tmp_path / "reports" / folder.name / "report.json").outcome == "failed"


@pytest.mark.parametrize(
    ("other", "code"), [(IntegrityError("Bytes changed."), 5), (BuildError("It failed."), 9)]
)
def test_a_failed_verification_is_graver_than_a_build_and_less_than_changed_bytes(
    tmp_path: Path, other: WheelhouseError, code: int
) -> None:
    ends = [
        CellEnd(order=order(tmp_path, number), step="verify", error=error.as_dict())
        for number, error in enumerate((CellFailedError("A probe failed."), other), 1)
    ]
    assert standing_of(ends, tmp_path, strict=False).exit_code == code


def order(tmp_path: Path, number: int) -> CellOrder:
    """Return what is asked for a cell."""
    lock = LockChoice(request=Request(torch="2.8.0", target=Target.named("x86_64")))
    return CellOrder(
        number=number, name="a", words="", root=tmp_path, make=MakeOptions(lock=lock, output=tmp_path)
    )


def test_without_a_farm_a_host_without_the_chip_verifies_nothing(bench: Bench, tmp_path: Path) -> None:
    folder = wheelhouse(tmp_path)
    why = verify_cell(folder, tmp_path / "reports", None, bench.store, bench.events.append)
    assert why == "this host has no npu a3; --scheduler names a farm"


def test_what_lacks_a_component_is_not_verified(bench: Bench, tmp_path: Path) -> None:
    lacking = {"component": "nnal", "reason": "not supplied", "supply": "`invoke vendor FILE`"}
    folder = wheelhouse(tmp_path, pending=[lacking])
    why = verify_cell(folder, tmp_path / "reports", None, bench.store, bench.events.append)
    assert why == "it lacks nnal"


@pytest.mark.parametrize(("device", "chip"), [("0xd802", "910b"), ("0xd803", "a3")])
def test_a_host_is_labelled_with_the_kind_of_its_npus_and_their_number(
    tmp_path: Path, device: str, chip: str
) -> None:
    (tmp_path / "dev").mkdir()
    card = tmp_path / "sys/bus/pci/devices/0000:c1:00.0"
    card.mkdir(parents=True)
    (card / "device").write_text(f"{device}\n")
    assert npu_labels(tmp_path) == {}
    for name in ("davinci0", "davinci1", "davinci_manager"):
        (tmp_path / "dev" / name).touch()
    assert npu_labels(tmp_path) == {"npu": chip, "npus": "2"}


def not_installable(folder: Path) -> Path:
    """Let a wheelhouse's lock name a version that it does not have."""
    manifest = json.loads((folder / "manifest.json").read_text())
    lock = folder / f"requirements.{manifest['platform']}.txt"
    lock.write_text(lock.read_text().replace("alpha==1.0", "alpha==2.0"))
    seal(folder, {key: value for key, value in manifest.items() if key != "files"})
    return folder


def with_pth(code: str) -> tuple[str, str, dict[str, str]]:
    """Describe a wheel whose code runs in every process of the environment."""
    return "alpha", "1.0", {"alpha/__init__.py": "", "alpha.pth": code}


def held(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Write a wheelhouse whose probes wait while a file is there, that file, and where their processes are told."""
    hold, seen = tmp_path / "hold", tmp_path / "seen"
    hold.touch()
    code = _HOLD.format(seen=str(seen), hold=hold)
    return wheelhouse(tmp_path, wheels=[with_pth(f"{code}\n")]), hold, seen


def alive(seen: Path) -> list[int]:
    """Return the processes that were told and still run."""
    found = []
    for pid in seen.read_text().split():
        with suppress(OSError):
            if "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
                found.append(int(pid))
    return found


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Rig]:
    """A farm of two workers that are labelled as nodes, each with a folder of its own for temporary files."""
    with rig(tmp_path / "farm") as made:
        made.scheduler()
        for name in ("anna", "bert"):
            (tmp_path / name).mkdir()
            made.worker(name, *CHIP, TMPDIR=str(tmp_path / name))
        yield made


def start(two: Rig, tmp_path: Path, folder: Path) -> None:
    """Start a master in a process of its own."""
    words = (two.address, tmp_path / "store", folder, tmp_path / "reports")
    two.start("master", sys.executable, "-c", _MASTER, *words)


def busy(tmp_path: Path) -> list[str]:
    """Return the workers that have something laid out."""
    return [name for name in ("anna", "bert") if list((tmp_path / name).glob("av-step-*"))]


@pytest.mark.slow
def test_a_worker_that_is_killed_is_followed_by_another(two: Rig, tmp_path: Path) -> None:
    folder, hold, seen = held(tmp_path)
    start(two, tmp_path, folder)
    until(lambda: seen.exists() and alive(seen), "a probe runs")
    (first,) = busy(tmp_path)
    two.kill(first)
    until(lambda: busy(tmp_path) == ["anna", "bert"], "the other one began")
    hold.unlink()
    assert two.ended("master") == 0, two.log("master")
    assert read_report(tmp_path / "reports/report.json").results


@pytest.mark.slow
def test_a_scheduler_that_goes_away_and_comes_back_has_the_verification_done_all_the_same(
    two: Rig, tmp_path: Path
) -> None:
    folder, hold, seen = held(tmp_path)
    start(two, tmp_path, folder)
    until(lambda: seen.exists() and alive(seen), "a probe runs")
    first = [*alive(seen)]
    two.kill("scheduler")
    until(lambda: not {*first} & {*alive(seen)}, "the worker ends what nobody can be told of")
    hold.unlink()
    two.scheduler()
    assert two.ended("master") == 0, two.log("master")
    assert read_report(tmp_path / "reports/report.json").outcome == "partial (no NPU)"
    until(lambda: not busy(tmp_path), "nothing stays laid out")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["worker", "master"])
def test_what_got_away_from_its_session_ends_too(two: Rig, tmp_path: Path, end: str) -> None:
    seen = tmp_path / "seen"
    code = f"import os; exec({_ESCAPE.format(seen=str(seen))!r})\n"
    start(two, tmp_path, wheelhouse(tmp_path, wheels=[with_pth(code)]))
    until(
        lambda: seen.exists() and len(alive(seen)) == 2, "a process of the environment, and one away from it"
    )
    first = [*alive(seen)]
    if end == "worker":
        two.kill(*busy(tmp_path))
    else:
        assert two.stop("master") != 0
    until(lambda: not {*first} & {*alive(seen)}, "both are gone")


@pytest.mark.slow
def test_ctrl_c_leaves_no_process_and_no_folder_behind(two: Rig, tmp_path: Path) -> None:
    folder, _, seen = held(tmp_path)
    start(two, tmp_path, folder)
    until(lambda: seen.exists() and alive(seen), "a probe runs")
    assert two.stop("master") != 0
    until(lambda: not alive(seen), "no probe is left")
    until(lambda: not busy(tmp_path), "nothing stays laid out")
    assert not (tmp_path / "reports/report.json").exists()


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Rig]:
    """A farm of one worker that is labelled as a node, with 2 MiB for temporary files."""
    place = tmp_path / "narrow"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", place], check=True)
    try:
        with rig(tmp_path / "farm") as made:
            made.scheduler()
            made.worker("narrow", *CHIP, TMPDIR=str(place))
            yield made
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_worker_without_space_for_what_is_installed_hands_it_back(
    narrow: Rig, bench: Bench, tmp_path: Path
) -> None:
    large = {"alpha/__init__.py": "", "alpha/data.txt": "0" * (4 << 20)}
    folder = wheelhouse(tmp_path, wheels=[("alpha", "1.0", large)])
    with joined(narrow, bench) as (found, _), pytest.raises(NoWorkerCouldError, match="MiB free, and small-"):
        found.verify(folder, tmp_path / "reports", bench.store)
    assert not (tmp_path / "reports").exists()
