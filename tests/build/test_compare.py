from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from small_wheels import shared_object, wheel

from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.clock_shim import write_clock
from ascend_wheelhouse.build.compare import compare_wheels


def test_the_same_bytes_are_bit_equal(tmp_path: Path) -> None:
    first = wheel(tmp_path / "a", {"thing/x.py": b"x = 1\n"})
    second = tmp_path / "b" / first.name
    second.parent.mkdir()
    second.write_bytes(first.read_bytes())
    assert compare_wheels(first, second).rung == "bit-equal"


def test_another_order_time_and_mode_of_members_is_equal_after_normalising(tmp_path: Path) -> None:
    first = wheel(tmp_path / "a", {"thing/x.py": b"x = 1\n", "thing/y.py": b"y = 1\n"})
    second = tmp_path / "b" / first.name
    second.parent.mkdir()
    with zipfile.ZipFile(first) as old, zipfile.ZipFile(second, "w") as new:
        for info in reversed(old.infolist()):
            again = zipfile.ZipInfo(info.filename, (2001, 2, 3, 4, 5, 6))
            again.external_attr = 0o100600 << 16
            new.writestr(again, old.read(info))
    done = compare_wheels(first, second)
    assert done.rung == "equal after normalising"
    assert any("mode" in one.detail and "time" in one.detail for one in done.differences)


def test_a_changed_text_is_told_by_its_first_line(tmp_path: Path) -> None:
    first = wheel(tmp_path / "a", {"thing/x.py": b"a = 1\nHOST = 'one'\n"})
    second = wheel(tmp_path / "b", {"thing/x.py": b"a = 1\nHOST = 'two'\n"})
    done = compare_wheels(first, second)
    (difference,) = (one for one in done.differences if one.member == "thing/x.py")
    assert done.rung == "differs"
    assert difference.detail == "line 2: HOST = 'one' | HOST = 'two'"


def test_a_changed_object_is_told_by_its_sections(tmp_path: Path) -> None:
    made = [
        shared_object(tmp_path / name, "_C.so", code=f'const char *where = "{name}";\n')
        for name in ("one", "two")
    ]
    wheels = [wheel(path.parent / "dist", {"thing/_C.so": path.read_bytes()}) for path in made]
    (difference,) = (one for one in compare_wheels(*wheels).differences if one.member == "thing/_C.so")
    assert ".rodata (4 and 4 bytes)" in difference.detail
    assert ".text" not in difference.detail


def test_a_member_that_only_one_wheel_has_is_told(tmp_path: Path) -> None:
    first = wheel(tmp_path / "a", {"thing/x.py": b"", "thing/cache.bin": b"1"})
    second = wheel(tmp_path / "b", {"thing/x.py": b""})
    told = {one.member: one.detail for one in compare_wheels(first, second).differences}
    assert told["thing/cache.bin"] == "only in the first"


@pytest.mark.parametrize("command", [["date", "+%Y"], ["sh", "-c", "touch x && date -r x +%Y"]])
def test_a_clock_that_is_ahead_moves_the_calendar_and_no_file(command: list[str], tmp_path: Path) -> None:
    library = write_clock(tmp_path / "shims", 20 * 366 * 86_400)
    env = {"PATH": os.environ["PATH"], "LD_PRELOAD": str(library)}
    years = int(run(command, env=env, cwd=tmp_path).stdout) - int(run(["date", "+%Y"]).stdout)
    assert years == (20 if command[0] == "date" else 0)
