"""Signals that come before a command runs, while Invoke still reads the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BEGUN = """
import os, sys
from invoke.program import Program
from ascend_wheelhouse.commands.program import main

number = int(sys.argv[2])
Program.execute = lambda self: os.kill(os.getpid(), number)
start = {"invoke": Program().run, "ascend-wheelhouse": main}[sys.argv[1]]
sys.argv = [sys.argv[1], "recipes", "--json"]
start()
"""


@pytest.mark.parametrize("program", ["invoke", "ascend-wheelhouse"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_before_the_command_runs_ends_as_one_in_it(program: str, number: int, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BEGUN, program, str(int(number))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["error"], answer["exit_code"]) == ("Stopped", code)
    assert "Traceback" not in done.stderr


def test_a_signal_that_is_ignored_stays_so() -> None:
    begun = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)" + _BEGUN + "print('went on')"
    done = subprocess.run(
        [sys.executable, "-c", begun, "invoke", str(int(signal.SIGINT))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr


@pytest.mark.parametrize("program", ["tasks", "ascend_wheelhouse.__main__"])
def test_ctrl_c_is_answered_while_the_rest_is_imported(program: str) -> None:
    """The commands are replaced by a module during whose import the signal comes."""
    begun = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'ascend_wheelhouse.commands':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"import importlib; module = importlib.import_module({program!r})\n"
        "getattr(module, 'main', exit)()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", begun], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert done.stderr.startswith("\nStopped.")
    assert "Traceback" not in done.stderr


def test_a_run_below_nohup_outlives_its_terminal() -> None:
    begun = (
        "import os, signal\n"
        "from ascend_wheelhouse import console\n"
        "with console.main_guard():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    print('went on')\n"
    )
    done = subprocess.run(
        ["nohup", sys.executable, "-c", begun], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr
