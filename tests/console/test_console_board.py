import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios

import pytest

from ascend_wheelhouse import console

_RUN = """
import os, sys
from ascend_wheelhouse import console
from ascend_wheelhouse.base.events import *
NAME = "torch-2.8.0-cp311-cp311-manylinux_2_28_aarch64.whl"
with console.main_guard(), console.reporter("auto") as emit:
    emit(Stage(name="fetch", jobs=40, total=400_000_000))
    emit(JobFinished(job="six", outcome="cached"))
    for n in range(6):
        emit(JobStarted(job=f"{n}-{NAME}", action="fetch", total=97_400_000))
    emit(JobStarted(job="sglang", action="build"))
    emit(JobProgress(job="0-" + NAME, done=45_200_000))
    emit(JobProgress(job="sglang", line="\\x1b[31mrunning bdist_wheel\\x1b[0m, a long line " * 9))
    os.read(int(sys.argv[1]), 1)
    emit(JobFinished(job="cann-toolkit", outcome="pending", detail="no origin answered"))
    for n in range(6):
        emit(JobFinished(job=f"{n}-{NAME}", outcome="done"))
    emit(JobFinished(job="sglang", outcome="done"))
    if "interrupt" in sys.argv:
        raise KeyboardInterrupt
"""
_OF_THE_WINDOW = {"NO_COLOR", "COLUMNS", "LINES"}
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


_BOARD = r"running 7 . cached 1(?s:.)*45\.2/97\.4 MB +[\d.]+ s"
_PATIENCE = 120


def _on_a_terminal(
    columns: int, *words: str, script: str = _RUN, shown: str = _BOARD, **environment: str
) -> tuple[int, str]:
    """Run the script on a pseudo terminal of that width; return its status and everything that it wrote.

    The script reads from a pipe, whose number is its first word, until the terminal has shown what `shown` says.
    """
    ours, theirs = pty.openpty()
    go, give = os.pipe()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 12, columns, 0, 0))
    base = {name: value for name, value in os.environ.items() if name not in _OF_THE_WINDOW}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(go), *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=base | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | environment,
        pass_fds=(go,),
    )
    os.close(theirs)
    os.close(go)
    text = b""
    with os.fdopen(give, "wb") as goes_on:
        try:
            while (ready := select.select([ours], [], [], _PATIENCE)[0]) and (chunk := os.read(ours, 65536)):
                text += chunk
                if not goes_on.closed and re.search(shown, _CONTROL.sub("", text.decode(errors="ignore"))):
                    goes_on.close()
            assert ready, text
        except OSError:
            pass  # Linux ends a terminal whose other side has closed with EIO
        finally:
            os.close(ours)
    return process.wait(), text.decode()


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_board_shows_counts_and_a_row_a_job_within_the_window(columns: int) -> None:
    status, text = _on_a_terminal(columns)
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", _CONTROL.sub("", text))]
    assert status == 0
    assert "running 7 · cached 1" in text
    assert any(re.match(r"[⠁-⣿] 0-torch.*45\.2/97\.4 MB +[\d.]+ s", line) for line in lines)
    assert any(re.fullmatch("━+─+", line) for line in lines)
    board = [line for line in lines if line and not line.startswith(("?", "fetch: "))]
    assert max(len(line) for line in board) <= columns


def test_the_board_leaves_the_pending_line_and_a_sum_behind_and_gives_the_cursor_back() -> None:
    _, text = _on_a_terminal(80)
    assert "? pending cann-toolkit: no origin answered" in text
    last = _CONTROL.sub("", text).strip().splitlines()[-1]
    assert re.search(r"fetch: done 7 · cached 1 · pending 1 · 584\.4 MB in [\d.:]+( s)?$", last)
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_stage_without_jobs_shows_that_it_is_alive() -> None:
    script = _RUN.split("NAME =", maxsplit=1)[0] + (
        "with console.reporter('auto') as emit:\n    emit(Stage(name='resolve'))\n"
        "    os.read(int(sys.argv[1]), 1)\n"
    )
    _, text = _on_a_terminal(80, script=script, shown=r"resolve  [\d.]+ s")
    assert re.search(r"[⠁-⣿] resolve  [\d.]+ s", text)


def test_no_color_leaves_no_colour() -> None:
    _, text = _on_a_terminal(80, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", text)


def test_an_ascii_terminal_gets_ascii_only() -> None:
    _, text = _on_a_terminal(80, PYTHONIOENCODING="ascii")
    assert text.isascii()
    assert "running 7 | cached 1" in text


def test_a_dumb_terminal_gets_plain_lines() -> None:
    _, text = _on_a_terminal(80, TERM="dumb", shown="")
    assert "\x1b" not in text
    assert "fetch: done 7" in text


def test_an_interrupt_takes_the_board_off_and_says_what_is_kept() -> None:
    status, text = _on_a_terminal(80, "interrupt")
    assert status == 130
    assert text.rstrip().endswith("the next run goes on from there.")
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_an_error_is_folded_to_the_window_but_for_the_command_to_type() -> None:
    code = (
        "from ascend_wheelhouse import console; from ascend_wheelhouse.base import errors\n"
        "with console.main_guard():\n"
        "    raise errors.BuildError('word ' * 20, why='why ' * 20, next_step='invoke ' + 'x' * 60)\n"
    )
    status, text = _on_a_terminal(40, script=code)
    lines = _CONTROL.sub("", text).splitlines()
    assert status == 6
    assert max(len(line) for line in lines if not line.startswith("Next:")) <= 40
    assert lines[-1] == f"Next: invoke {'x' * 60}"


def test_sentences_are_folded_to_the_terminal_and_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    said = "thirty-five notes of hygiene: the object names folders of the host that built it"
    script = f"from ascend_wheelhouse import console; console.prose({said!r})"
    status, text = _on_a_terminal(40, script=script, shown="built it")
    lines = text.splitlines()
    assert (status, " ".join(lines)) == (0, said)
    assert max(map(len, lines)) <= 40
    console.prose(said)
    assert capsys.readouterr().out == f"{said}\n"
