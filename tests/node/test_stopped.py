"""Ctrl-C and SIGTERM at any time: a line, an object where one was asked for, and no traceback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from small_wheelhouse import SmallWheelhouse, package, run_installer

MANY = [package(f"filler{number}", "1.0", data__txt="x" * 200_000) for number in range(12)]
UNSIGNED = "--insecure-no-signature"
SIGNALS = [signal.SIGINT, signal.SIGTERM]
EARLY = "import os, sys, runpy; sys.argv[:1] = []; sys.meta_path.insert(0, {})"
FINDER = """type("At", (), {{"find_spec": staticmethod(
    lambda name, *_: os.kill(os.getpid(), {number}) if name == "node.install.program" else None)}})"""


def _stopped(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, out, err


def _start(*words: str | Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-I", *words], stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_that_is_stopped_while_it_starts_says_so(tmp_path: Path, number: signal.Signals) -> None:
    house = SmallWheelhouse().write(tmp_path / "house")
    program = (
        EARLY.format(FINDER.format(number=int(number))) + "; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    words: list[str | Path] = ["-c", program, house / "install.py", "--prefix", tmp_path / "npu", UNSIGNED]
    status, out, err = _stopped(_start(*words, "--json"))
    assert (status, err) == (128 + number, "stopped. Nothing was done.\n")
    told = json.loads(out)
    assert (told["error"], told["exit_code"], told["why"]) == ("Stopped", 128 + number, "Nothing was done.")
    assert _stopped(_start(*words)) == (128 + number, "", err)
    assert not (tmp_path / "npu").exists()


IMPORTING = """
import os, queue, runpy, signal, sys, threading, time, weakref

class At:
    def find_spec(name, *_):
        if name == "node.install.program":
            {then}

sys.argv[:1] = []
sys.meta_path.insert(0, At)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
LOST = """
            held = type("Held", (), {{}})()
            kept = weakref.ref(held, lambda _: (os.kill(os.getpid(), {number}), time.sleep(0.01)))
            del held
            time.sleep(5)
"""
UNHEARD = """
            threading.Timer(0.3, lambda: signal.pthread_kill(threading.get_ident(), {number})).start()
            queue.SimpleQueue().get()
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_code_that_python_makes_of_a_text_gives_the_exit_code_of_a_stopped_run(
    tmp_path: Path, number: signal.Signals
) -> None:
    """As dataclasses and named tuples do while they are imported."""
    house = SmallWheelhouse().write(tmp_path / "house")
    made = tmp_path / "install.py"
    with zipfile.ZipFile(house / "install.py") as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            text = f'exec("import os; os.kill(os.getpid(), {int(number)})")\n'
            new.writestr(name, text if name == "node/install/program.py" else old.read(name))
    status, _, err = _stopped(_start(made, "--prefix", tmp_path / "npu", UNSIGNED))
    assert (status, err) == (128 + number, "stopped. Nothing was done.\n")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "then", [LOST, UNHEARD], ids=["where no exception is let out", "as it begins to wait"]
)
def test_a_signal_that_python_passes_over_stops_a_run(
    tmp_path: Path, number: signal.Signals, then: str
) -> None:
    """Each import has callbacks of weak references; between a last look at signals and a wait there is always time."""
    house = SmallWheelhouse().write(tmp_path / "house")
    program = IMPORTING.format(then=then.format(number=int(number)).strip())
    status, _, err = _stopped(
        _start("-c", program, house / "install.py", "--prefix", tmp_path / "npu", UNSIGNED)
    )
    assert (status, err) == (128 + number, "stopped. Nothing was done.\n")
    assert not (tmp_path / "npu").exists()


@pytest.mark.parametrize("number", SIGNALS)
def test_an_install_that_is_stopped_ends_with_an_object_and_the_next_one_finishes(
    tmp_path: Path, number: signal.Signals
) -> None:
    house, prefix = SmallWheelhouse(wheels=MANY).write(tmp_path / "house"), tmp_path / "npu"
    process = _start(house / "install.py", "--prefix", prefix, UNSIGNED, "--json")
    while not (prefix / "envs").is_dir() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(number)
    status, out, err = _stopped(process)
    told = json.loads(out)
    assert (status, told["exit_code"], told["error"]) == (128 + number, 128 + number, "Stopped")
    assert told["why"] == "The environment in use was not touched."
    assert err.endswith(f"stopped. {told['why']}\n")
    assert not (prefix / "current").exists()
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0


def test_a_verification_that_is_stopped_ends_with_an_object(tmp_path: Path) -> None:
    """Words behind --verify are the probes' own, --json among them."""
    house, prefix = SmallWheelhouse().write(tmp_path / "house"), tmp_path / "npu"
    assert run_installer(house, "--prefix", prefix, UNSIGNED).status == 0
    report = next((prefix / "envs").iterdir()).with_suffix(".verify.json")
    report.touch()
    process = _start(house / "install.py", "--prefix", prefix, "--verify", "--json")
    while report.exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    status, out, err = _stopped(process)
    told = json.loads(out)
    assert (status, told["error"]) == (128 + signal.SIGTERM, "Stopped")
    assert err.endswith("stopped. The environment that was to be proven was not changed.\n")
