"""A stack file in which a version is moved keeps every other byte."""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.watch.apply import _move


def test_a_file_with_the_line_ends_of_windows_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "stack.toml"
    path.write_bytes(b'# a stack\r\n[components]\r\nuv = "0.13.8"\r\nsglang = "1.0"\r\n')
    _move(path, "uv", "0.13.9")
    assert path.read_bytes() == b'# a stack\r\n[components]\r\nuv = "0.13.9"\r\nsglang = "1.0"\r\n'
