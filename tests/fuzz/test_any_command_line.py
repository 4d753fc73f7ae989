"""Whatever stands behind an option of a task, the task ends with a code of its own and says what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from desks import Desk
from hypothesis import given
from hypothesis import strategies as st
from invoke.parser.argument import Argument
from outcome import Ended, require_code, require_told
from spoiling import fuzzed, texts

pytest_plugins = ["desk_fixtures"]
CHANGES_THE_HOST = {"fix"}
WRITTEN = {"bundles", "out", "output", "page", "path", "profile", "sarif"}
REPORTS = {"doctor"}
TASKS = [
    *("audit", "build", "bundle", "cache", "config", "doctor", "fetch", "image", "init", "keygen", "lock"),
    *(
        "matrix",
        "plan",
        "recipes",
        "reproduce",
        "run-args",
        "show",
        "stacks",
        "toolchain",
        "vendor",
        "vendored",
        "verify-report",
        "watch",
        "wheelhouse",
        "worker",
    ),
]
BELOW = [
    "/proc/nowhere/x",
    "/dev/null/x",
    "/proc/self/mem",
    "~nobody-here/x",
    "dangling",
    "loop",
    "folder",
    "file",
]
GOOD = {
    "torch": ["2.8.0", "2.8.1", "2.8"],
    "platform": ["aarch64", "x86_64"],
    "npu": ["a3", "910b"],
    "cann": ["8.5.0", "8.5"],
    "sglang": ["1.0", "2.0"],
    "stack": ["torch2.8.0-cann8.5.0"],
    "resolver": ["uv", "pip-tools"],
    "exclude_newer": ["2026-01-01", "2026-01-01T00:00:00Z"],
    "component": ["sglang", "nnal", "torch"],
    "version": ["8.5.0"],
    "split": ["1M", "70000"],
    "serial": ["1", "99999"],
    "image": ["name:tag"],
    "command": ["python -c 'x'"],
    "prefix": ["/opt/x"],
    "container": ["recipe", "quay.io/x"],
    "scheduler": ["tcp://127.0.0.1:9", "tls://127.0.0.1:9"],
    "builds": ["2", "0"],
    "label": ["site=north"],
}


def values_of(name: str, wheelhouse: Path) -> st.SearchStrategy[str]:
    """Return what to put behind an option: what belongs there, a path that is something odd, or any text."""
    real = [str(wheelhouse), str(wheelhouse / "manifest.json"), str(wheelhouse / "SHA256SUMS")]
    paths = [*([] if name in WRITTEN else real), "new", *BELOW]
    anything = texts.map(lambda text: text.lstrip("/"))  # a test run as root must not write where it likes
    return st.sampled_from(GOOD.get(name, paths)) | st.sampled_from(paths) | anything | anything


@st.composite
def lines(draw: st.DrawFn, task: str, arguments: list[Argument], wheelhouse: Path) -> list[str]:
    """Return a command line of a task: its options in any choice, each with something behind it."""
    words = [task]
    behind: list[str] = []
    for argument in arguments:
        name = str(argument.name)
        flag = f"--{name.replace('_', '-')}"
        if name in CHANGES_THE_HOST:
            continue
        if argument.kind is bool:
            words += [flag] if draw(st.integers(0, 4)) == 0 else []
        elif argument.positional or draw(st.integers(0, 3)) == 0:
            value = draw(values_of(name, wheelhouse))
            words.append(f"{flag}={value}")
    if task == "audit" and draw(st.booleans()):
        behind = ["--", draw(values_of("", wheelhouse))]
    return [*words, *behind]


@pytest.fixture
def scratch(desk: Desk) -> Iterator[Path]:
    """A folder to stand in, with odd things in it; no index answers."""
    folder = desk.world.root / "work" / "w1" / "w2"
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        patch.setenv("WHEELHOUSE_DEBIAN", "http://127.0.0.1:9/debian")
        patch.setenv("WHEELHOUSE_MIRRORS", "https://api.osv.dev/=http://127.0.0.1:9/osv/")
        patch.chdir(folder)
        yield folder
    shutil.rmtree(desk.world.root / "work")


def furnish(folder: Path) -> None:
    """Have the folder hold its odd things and nothing else."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "folder").mkdir()
    (folder / "file").write_text("x")


def test_every_task_is_fuzzed(desk: Desk) -> None:
    assert sorted(desk.tasks) == TASKS


@pytest.mark.parametrize("task", TASKS)
@fuzzed
@given(data=st.data())
def test_any_command_line_ends_with_a_known_code(
    desk: Desk, scratch: Path, task: str, data: st.DataObject
) -> None:
    furnish(scratch)
    words = data.draw(lines(task, desk.tasks[task], desk.world.folder))
    ended: Ended = desk.invoke(*words)
    assert Path.cwd() == scratch
    (require_code if task in REPORTS else require_told)(ended)
    os.umask(0o022)
