"""A bundle that was killed at any point: invisible until whole, finished by the next run, never wrong."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_fixtures import FILES, LONG_NAME, TORCH, write_wheelhouse

from ascend_wheelhouse.base.events import Event, JobFinished
from ascend_wheelhouse.bundle.command import bundle_command

BIG = {**FILES, TORCH: b"t" * 3_000_000, LONG_NAME: b"l" * 2_000_000}
_RUN = """
import sys
from pathlib import Path
from ascend_wheelhouse.bundle import parts
from ascend_wheelhouse.bundle.command import bundle_command

wheelhouse, out, split, limit = sys.argv[1:]
write = parts.PartWriter.write
left = int(limit)


def slow(self, data):
    global left
    view = memoryview(data)
    if len(view) >= left:
        write(self, view[:left])
        print("now", flush=True)
        sys.stdin.read()
    left -= len(view)
    write(self, view)


parts.PartWriter.write = slow
bundle_command(Path(wheelhouse), out=Path(out), split=int(split) if split else None, serial=1)
"""


def _kill_after(written: int, wheelhouse: Path, out: Path, split: str = "") -> None:
    """Start a run in a process of its own and kill it when it has written so many bytes."""
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(wheelhouse), str(out), split, str(written)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    with process.stdout, process.stdin:
        assert process.stdout.readline() == b"now\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A wheelhouse of five megabytes."""
    return write_wheelhouse(tmp_path / "big", BIG)


@pytest.mark.parametrize("split", ["", "1000000"])
def test_a_killed_run_leaves_nothing_visible_and_the_next_one_finishes(
    big: Path, tmp_path: Path, split: str
) -> None:
    whole = bundle_command(big, out=tmp_path / "whole.tar", serial=1).paths[0].read_bytes()
    draw = random.Random(6)  # noqa: S311 - any points will do, the same in every run
    out = tmp_path / "b.tar"

    for written in sorted(draw.randrange(1, len(whole) // 4) for _ in range(3)):
        _kill_after(written, big, out, split)
        assert not list(tmp_path.glob("b.tar*"))
    result = bundle_command(big, out=out, split=int(split) if split else None, serial=1)

    assert b"".join(path.read_bytes() for path in result.paths) == whole
    assert not (tmp_path / ".b.tar.partial").exists()


def test_the_next_run_keeps_what_is_sound(big: Path, tmp_path: Path) -> None:
    _kill_after(4_000_000, big, tmp_path / "b.tar")
    seen: list[Event] = []

    bundle_command(big, out=tmp_path / "b.tar", serial=1, emit=seen.append)

    (finished,) = [event for event in seen if isinstance(event, JobFinished)]
    kept = int(finished.detail.split()[3])
    assert kept >= len(FILES) - 2


@pytest.mark.parametrize("damage", [0, 700, 100_000, 2_500_000])
def test_a_damaged_rest_is_not_believed(big: Path, tmp_path: Path, damage: int) -> None:
    whole = bundle_command(big, out=tmp_path / "whole.tar", serial=1).paths[0].read_bytes()
    _kill_after(4_000_000, big, tmp_path / "b.tar")
    (rest,) = (tmp_path / ".b.tar.partial").iterdir()
    data = bytearray(rest.read_bytes())
    data[damage] ^= 0xFF
    rest.write_bytes(bytes(data))

    result = bundle_command(big, out=tmp_path / "b.tar", serial=1)

    assert result.paths[0].read_bytes() == whole


def test_a_rest_of_another_wheelhouse_or_part_size_is_no_hindrance(big: Path, tmp_path: Path) -> None:
    _kill_after(4_000_000, big, tmp_path / "b.tar", "1500000")
    other = write_wheelhouse(tmp_path / "other", {**BIG, TORCH: b"other" * 1000})
    expected = bundle_command(other, out=tmp_path / "whole.tar", serial=1).paths[0].read_bytes()

    result = bundle_command(other, out=tmp_path / "b.tar", split=1_000_000, serial=1)

    assert b"".join(path.read_bytes() for path in result.paths) == expected


def test_the_old_bundle_stands_until_the_new_one_is_whole(big: Path, tmp_path: Path) -> None:
    old = bundle_command(write_wheelhouse(tmp_path / "old"), out=tmp_path / "b.tar", serial=1)
    before = old.paths[0].read_bytes()

    _kill_after(1_000_000, big, tmp_path / "b.tar")

    assert (tmp_path / "b.tar").read_bytes() == before


def test_memory_stays_small_however_large_the_files(tmp_path: Path) -> None:
    big = write_wheelhouse(tmp_path / "w", {**FILES, TORCH: bytes(120_000_000)})
    program = (
        "import sys, resource; from pathlib import Path;"
        "from ascend_wheelhouse.bundle.command import bundle_command, verify_bundle;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "result = bundle_command(Path(sys.argv[1]), out=Path(sys.argv[2]), serial=1);"
        "verify_bundle(result.paths[0], insecure=True);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(big), str(tmp_path / "b.tar")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(done.stdout) < 60_000


def test_a_file_of_a_date_beside_a_bundle_is_no_part_of_it_and_stays(tmp_path: Path) -> None:
    wheelhouse, out = write_wheelhouse(tmp_path / "wheelhouse"), tmp_path / "x.tar"
    kept = tmp_path / "x.tar.20261129"
    kept.write_bytes(b"an older bundle, kept")
    bundle_command(wheelhouse, out=out, serial=1)
    assert kept.read_bytes() == b"an older bundle, kept"
