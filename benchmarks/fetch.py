"""How fast a locked set of wheels comes over a link of 1 Gbit/s and 30 ms, beside pip and a bare download.

    python benchmarks/fetch.py FOLDER [--command 'invoke wheelhouse ...'] [--turns 3] [--pip 'python -m pip']
        [--megabits 1000]

FOLDER holds the wheels; the benchmark makes a lock of them, serves them as an index from a second network namespace,
and lets each contestant start from nothing, in turn, which takes as much disk as all of them fetch. `--real-index`
uses the index of pip's configuration instead, without a link of its own. A command with
`--profile=PLACE/profile.html` is also asked how long it worked after its last file had come.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from link import THERE, enter, neighbour
from static_index import digests, project

PORT = 8503
_ROUND_TRIP_MS = 30.0
_TRACE = "profile.json"


@dataclass(kw_only=True)
class Contestant:
    """A command that brings all files, and how it did; memory is in MiB."""

    name: str
    words: Sequence[str]
    environ: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    afterwards: list[float] = field(default_factory=list)

    def run(self, place: Path) -> None:
        """Run once in a new folder, which stays: ext4 is slow to make files where others were just removed."""
        place.mkdir(parents=True)
        os.sync()
        started = time.monotonic()
        words = [word.replace("PLACE", str(place)) for word in self.words]
        environ = dict(os.environ) | {
            name: value.replace("PLACE", str(place)) for name, value in self.environ.items()
        }
        # an installed program is compiled: with this set, none of ours would be, in any turn
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        process = subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL, cwd=place)
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds.append(time.monotonic() - started)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{self.name} ended with status {process.returncode}")
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.memory.append(usage.ru_maxrss / 1024)
        if (place / _TRACE).is_file():
            self.afterwards.append(after_last_file(place / _TRACE))


def after_last_file(trace: Path) -> float:
    """Return the seconds from the end of the last download to the end of a run, out of the trace of `--profile`."""
    timed = [one for one in json.loads(trace.read_text())["traceEvents"] if "dur" in one]
    ends = [one["ts"] + one["dur"] for one in timed]
    files = [
        end for one, end in zip(timed, ends, strict=True) if one["cat"] == "fetch" and "." in one["name"]
    ]
    return float(max(ends) - max(files)) / 1e6


def contestants(options: argparse.Namespace, work: Path, index: str) -> list[Contestant]:
    """Return ours, pip and curl, all with the same lock and the same index."""
    named = {} if options.real_index else {"PIP_INDEX_URL": index, "PIP_TRUSTED_HOST": THERE}
    settings = {
        **named,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    ours = shlex.split(options.command) or [
        sys.executable,
        str(Path(__file__).with_name("ours.py")),
        str(work / "lock"),
    ]
    pip = [
        *shlex.split(options.pip),
        "download",
        "-q",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
    ]
    tags = [f"--platform={tag}_{options.machine}" for tag in ("manylinux2014", "linux", *_platforms())]
    found = [
        Contestant(name="ours", words=ours, environ={**settings, "WHEELHOUSE_STORE": "PLACE"}),
        Contestant(
            name="pip download",
            words=[*pip, *tags, "--python-version=3.11", "-d", "PLACE", "-r", str(work / "requirements.txt")],
            environ=settings,
        ),
    ]
    if not options.real_index:
        bare = [
            "curl",
            "-sfZ",
            "--no-progress-meter",
            "--parallel-max",
            "12",
            "--parallel-immediate",
            "-K",
            str(work / "curl"),
        ]
        found.append(Contestant(name="bare (curl)", words=bare))
    return found


def _platforms() -> list[str]:
    return [f"manylinux_2_{minor}" for minor in range(17, 35)]


def write_locks(folder: Path, work: Path) -> tuple[int, int]:
    """Write the same lock for each contestant; return how many files and bytes it has."""
    lines, lock, urls, total = [], [], [], 0
    by_size = sorted(digests(folder).items(), key=lambda item: -(folder / item[0]).stat().st_size)
    for filename, sha256 in by_size:
        name, version = project(filename)
        size = (folder / filename).stat().st_size
        lines.append(f"{name}=={version} --hash=sha256:{sha256}")
        lock.append({"name": name, "filename": filename, "sha256": sha256, "size": size})
        urls.append(
            f'url = "http://{THERE}:{PORT}/files/{filename.replace("+", "%2B")}"\noutput = "{filename}"'
        )
        total += size
    (work / "requirements.txt").write_text("\n".join(lines) + "\n")
    (work / "lock").write_text(json.dumps(lock))
    (work / "curl").write_text("\n".join(urls) + "\n")
    return len(lock), total


def compare(runners: Sequence[Contestant], work: Path, turns: int) -> None:
    """Let everyone run `turns` times, one after the other, and print a table."""
    for turn in range(turns):
        for runner in runners:
            runner.run(work / f"{runner.name.split()[0]}-{turn}")
    ours = statistics.median(runners[0].seconds)
    print(f"{'':14}{'median s':>10}{'best s':>9}{'cpu s':>8}{'MiB':>7}{'ours / it':>11}")
    for runner in runners:
        middle = statistics.median(runner.seconds)
        row = f"{runner.name:14}{middle:10.2f}{min(runner.seconds):9.2f}{statistics.median(runner.cpu):8.2f}"
        print(f"{row}{max(runner.memory):7.0f}{ours / middle:11.2f}")
    for runner in runners:
        if runner.afterwards:
            left = statistics.median(runner.afterwards)
            print(f"{runner.name}: {left:.1f} s after its last file (least {min(runner.afterwards):.1f} s)")


def main() -> None:
    """Parse, serve, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--command", default="", help="ours; PLACE is the folder that is empty at the start")
    parser.add_argument("--pip", default=f"{sys.executable} -m pip")
    parser.add_argument("--machine", default="aarch64")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--megabits", type=float, default=1000, help="the rate of the link, in Mbit/s")
    parser.add_argument("--real-index", action="store_true")
    options = parser.parse_args()
    if not options.real_index:
        enter()
    folder = options.folder.resolve()
    with tempfile.TemporaryDirectory(dir=os.environ.get("WHEELHOUSE_BENCHMARK_DISK")) as name:
        work = Path(name)
        count, size = write_locks(folder, work)
        print(f"{count} files, {size / 1e6:.0f} MB", flush=True)
        if options.real_index:
            compare(contestants(options, work, ""), work, options.turns)
            return
        words = [
            sys.executable,
            str(Path(__file__).with_name("static_index.py")),
            str(folder),
            THERE,
            str(PORT),
        ]
        with neighbour(words, bits_per_second=options.megabits * 1e6, round_trip_ms=_ROUND_TRIP_MS) as kind:
            print(f"{options.megabits:g} Mbit/s, {_ROUND_TRIP_MS:g} ms round trip, by {kind}", flush=True)
            compare(contestants(options, work, f"http://{THERE}:{PORT}/simple/"), work, options.turns)


if __name__ == "__main__":
    main()
