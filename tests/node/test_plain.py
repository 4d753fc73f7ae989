"""What others wrote, on its way to a terminal and a page: no control sequence, no mark that turns writing round."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.matrix.page import _text
from ascend_wheelhouse.node.plain import plain
from ascend_wheelhouse.node.talk import Talk
from ascend_wheelhouse.pages.render import _environment

HOSTILE = "a\x1b[31mred\x1b[0m\x1b]0;title\x07\x1bPq#\x1b\\\x9b2J\rb\x00\u202egnp.exe\u2066\x08\ud800z"
SHOWN = "ared?b??gnp.exe???z"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HOSTILE, SHOWN),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("from Windows\r\nhere", "from Windows\nhere"),
        ("昇腾 NPU, naïve, 1.2 µs ✓", "昇腾 NPU, naïve, 1.2 µs ✓"),
        ("\x1b", ""),
        ("open \x1b]0;and never closed", "open "),
        ("\x1b[31", "31"),
    ],
)
def test_text_of_others_cannot_move_the_cursor_nor_turn_writing_round(text: str, told: str) -> None:
    assert plain(text) == told


def test_no_character_of_all_reaches_a_terminal_as_a_command() -> None:
    every = plain("".join(map(chr, range(0x110000))))
    assert not any(ord(one) < 32 and one not in "\n\t" for one in every)
    assert not {"\x7f", "\x9b", "\u202e", "\u2066", "\u200f"} & set(every)


def test_lines_errors_and_tables_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    console.line(HOSTILE)
    console.print_error(UsageError(HOSTILE, why=HOSTILE, next_step=HOSTILE))
    console.table(["name"], [[HOSTILE]])
    console.records(["name", "why"], [[HOSTILE, HOSTILE]])
    out, err = capsys.readouterr()
    assert (out.count(SHOWN), err.count(SHOWN)) == (4, 3)
    assert "\x1b" not in out + err


def test_a_heading_is_bold_and_its_cells_are_plain() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    console.table(["name"], [[HOSTILE]], stream=out)
    assert out.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").split() == ["name", SHOWN]


def test_a_node_speaks_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk()
    talk.say(HOSTILE)
    talk.answer(HOSTILE, {})
    talk.fail(UsageError(HOSTILE))
    out, err = capsys.readouterr()
    assert (out.count(SHOWN), err.count(SHOWN)) == (1, 2)


def test_pages_show_it_plainly_too() -> None:
    assert _text(HOSTILE) == SHOWN
    assert _environment().from_string("{{ one }}").render(one=HOSTILE) == SHOWN


def test_what_a_stream_cannot_carry_is_no_fault(tmp_path: Path) -> None:
    code = "from ascend_wheelhouse import console; console.line('昇腾'); console.table(['a'], [['é']])"
    env = {"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["??", "a", "?"]), done.stderr
