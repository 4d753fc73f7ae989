"""Sabotaged environments and probes: each ends in the right verdict, with its cause, and leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from environments import install, make_environment, manifest, probe, scripted_probe, setting, site_packages

from ascend_wheelhouse.node import supervise
from ascend_wheelhouse.node.probes import named
from ascend_wheelhouse.node.verify import runner, settings
from ascend_wheelhouse.node.verify.report import Result, Verdict

ADAPTER: dict[str, str | bytes] = {
    "triton/__init__.py": "import pybind11\n",
    "triton/_C/libtriton.so": b"ascend" * 100,
}
UPSTREAM: dict[str, str | bytes] = {
    "triton/__init__.py": "KIND = 'upstream'\n",
    "triton/_C/libtriton.so": b"nvidia" * 90,
}


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    made = make_environment(tmp_path / "environment")
    install(
        made,
        "torch",
        "2.8.0",
        {"torch/__init__.py": "__version__ = '2.8.0'\n", "torch/lib/libtorch.so": b"x" * 999},
    )
    install(made, "triton-ascend", "3.2.0", ADAPTER)
    install(made, "pybind11", "3.1.0", {"pybind11/__init__.py": ""})
    return made


LOCKED = {"torch": "2.8.0", "triton-ascend": "3.2.0", "pybind11": "3.1.0"}


def judge(name: str, environment: Path, tmp_path: Path) -> Result:
    return runner.run_probe(named(name), setting(environment, tmp_path / "run", manifest(LOCKED)))


def children() -> set[int]:
    """Every live child; other tests of the same run may have left a pool's tracker."""
    return {one.pid for one in supervise.processes() if one.parent == os.getpid() and one.state != "Z"}


@pytest.mark.parametrize("name", ["versions", "files", "imports"])
def test_an_environment_that_is_whole_passes(name: str, environment: Path, tmp_path: Path) -> None:
    result = judge(name, environment, tmp_path)
    assert (result.verdict, result.detail) == ("passed", "")


def test_a_missing_wheel_is_named(environment: Path, tmp_path: Path) -> None:
    for folder in site_packages(environment).glob("torch-*.dist-info"):
        folder.rename(tmp_path / "gone")
    result = judge("versions", environment, tmp_path)
    assert (result.verdict, result.evidence) == ("failed", "torch 2.8.0 is locked but not installed")


def test_a_wheel_that_nobody_locked_is_named(environment: Path, tmp_path: Path) -> None:
    install(environment, "stranger", "1.0", {"stranger.py": ""})
    assert judge("versions", environment, tmp_path).evidence == "stranger 1.0 is installed but not locked"


def test_torch_of_another_line_is_named(environment: Path, tmp_path: Path) -> None:
    for folder in site_packages(environment).glob("torch-*.dist-info"):
        folder.rename(tmp_path / "gone")
    install(environment, "torch", "2.9.0", {"torch/__init__.py": ""})
    assert judge("versions", environment, tmp_path).evidence == "torch 2.9.0 is installed, 2.8.0 is locked"


def test_a_shared_object_cut_short_is_named(environment: Path, tmp_path: Path) -> None:
    os.truncate(site_packages(environment) / "torch/lib/libtorch.so", 500)
    result = judge("files", environment, tmp_path)
    assert result.evidence == "torch: torch/lib/libtorch.so has 500 bytes, its wheel's has 999"


def test_a_shared_object_with_a_flipped_byte_is_named(environment: Path, tmp_path: Path) -> None:
    (site_packages(environment) / "torch/lib/libtorch.so").write_bytes(b"x" * 998 + b"y")
    assert (
        judge("files", environment, tmp_path).evidence
        == "torch: torch/lib/libtorch.so differs from its wheel's"
    )


def test_a_file_that_is_gone_is_named(environment: Path, tmp_path: Path) -> None:
    (site_packages(environment) / "torch/lib/libtorch.so").unlink()
    assert judge("files", environment, tmp_path).evidence == "torch: torch/lib/libtorch.so is missing"


def test_triton_installed_over_triton_ascend_is_seen(environment: Path, tmp_path: Path) -> None:
    install(environment, "triton", "3.5.0", UPSTREAM)
    result = judge("files", environment, tmp_path)
    assert result.evidence.startswith(
        "triton and triton-ascend both own 2 files, such as triton/_C/libtriton.so; triton-ascend: triton/"
    )


def test_pybind11_left_out_shows_when_triton_is_imported(environment: Path, tmp_path: Path) -> None:
    (site_packages(environment) / "pybind11").rename(tmp_path / "gone")
    result = judge("imports", environment, tmp_path)
    assert "triton: ModuleNotFoundError: No module named 'pybind11'" in result.evidence
    assert result.verdict == "failed"


def test_a_package_that_kills_the_process_is_named_and_the_others_are_still_tried(
    environment: Path, tmp_path: Path
) -> None:
    install(
        environment,
        "bomb",
        "1",
        {"bomb/__init__.py": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"},
    )
    result = judge("imports", environment, tmp_path)
    assert result.evidence == "bomb: the process died with status -11"
    assert result.figures["imported"] == 3


def test_an_announced_failure_of_one_package_does_not_fail_the_probe(
    environment: Path, tmp_path: Path
) -> None:
    install(environment, "fussy", "1", {"fussy.py": "import nothing_of_that_name\n"})
    options = settings.VerifyOptions(known={"imports/fussy": "its optional half is not in the stack"})
    made = setting(environment, tmp_path / "run", manifest(LOCKED), options)
    result = runner.run_probe(named("imports"), made)
    assert result.verdict == "passed"
    assert result.evidence == "3 top-level packages import, 1 announced failures"


HOSTILE = {
    "segfault": (
        "import ctypes\ncontext.doing('a null pointer')\nctypes.string_at(0)",
        "crashed",
        "killed by SIGSEGV",
    ),
    "abort": ("import os\ncontext.doing('abort')\nos.abort()", "crashed", "killed by SIGABRT"),
    "exit": (
        "import os\ncontext.doing('leave')\nos._exit(3)",
        "crashed",
        "ended with status 3 and no result",
    ),
    "hang": ("import time\ncontext.doing('sleep')\ntime.sleep(600)", "timed-out", "no answer within 8 s"),
    "stubborn": (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ncontext.doing('sleep')\ntime.sleep(600)",
        "timed-out",
        "no answer within 8 s",
    ),
    "glutton": (
        "import time\ncontext.doing('eat')\nkept = [bytearray(b'x' * (1 << 20)) for _ in range(400)]\ntime.sleep(600)",
        "out-of-memory",
        "passed 200 MiB",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_probe_is_a_verdict_with_its_cause(name: str, tmp_path: Path) -> None:
    before = children()
    body, verdict, cause = HOSTILE[name]
    made = setting(
        make_environment(tmp_path / "e"),
        tmp_path / "run",
        manifest({}),
        node=scripted_probe(tmp_path, name, body),
    )
    seconds = 8 if verdict == "timed-out" else 120
    result = runner.run_probe(probe(name, seconds=seconds, memory=200 << 20), made)
    assert result.verdict == verdict
    assert result.evidence.startswith(cause)
    assert "while it was at: " in result.evidence
    assert children() <= before


def test_a_child_that_a_probe_leaves_behind_is_killed_and_told(tmp_path: Path) -> None:
    before = children()
    body = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "return Outcome(evidence='fine')"
    )
    made = setting(
        make_environment(tmp_path / "e"),
        tmp_path / "run",
        manifest({}),
        node=scripted_probe(tmp_path, "leaver", body),
    )
    result = runner.run_probe(probe("leaver"), made)
    assert (result.verdict, result.evidence.split(":")[0]) == ("failed", "left processes behind")
    assert children() <= before


def test_an_exception_that_is_no_probe_failure_is_a_failure_with_its_traceback(tmp_path: Path) -> None:
    made = setting(
        make_environment(tmp_path / "e"),
        tmp_path / "run",
        manifest({}),
        node=scripted_probe(tmp_path, "raiser", "raise ZeroDivisionError('no')"),
    )
    result = runner.run_probe(probe("raiser"), made)
    assert (result.verdict, result.evidence) == ("failed", "ZeroDivisionError: no")
    assert "Traceback" in result.detail


def test_a_probe_that_prints_much_before_its_result_is_read_right(tmp_path: Path) -> None:
    body = "print('x' * 10_000_000, flush=True)\nreturn Outcome(evidence='fine')"
    made = setting(
        make_environment(tmp_path / "e"),
        tmp_path / "run",
        manifest({}),
        node=scripted_probe(tmp_path, "noisy", body),
    )
    expected: Verdict = "passed"
    assert runner.run_probe(probe("noisy"), made).verdict == expected
