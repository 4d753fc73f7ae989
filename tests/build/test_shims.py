"""The wrappers that stand before the compilers: which words reach the compiler, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.shims import write_compilers
from ascend_wheelhouse.build.toolchain import Tool, Toolchain


@pytest.fixture
def gcc(tmp_path: Path) -> Path:
    """A wrapper of a gcc that prints its words, one a line."""
    real = tmp_path / "real/gcc"
    real.parent.mkdir()
    real.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    real.chmod(0o755)
    tool = Tool(name="gcc", path=str(real), version="12.2.0", identity="gcc 12.2.0 x86_64-linux-gnu")
    write_compilers(tmp_path / "shims", Toolchain(tools=(tool,)), {"/build": "/work"}, python="/opt/python")
    return tmp_path / "shims/gcc"


@pytest.mark.parametrize(
    ("given", "reaching"),
    [
        (["-c", "two words.c", ""], ["-c", "two words.c", ""]),
        (["-Wl,-rpath,/opt/python/lib", "a.o", "-o", "x y"], ["a.o", "-o", "x y"]),
        (["a.o", "-Wl,-rpath,/opt/python/lib", "-Wl,-rpath,$ORIGIN/lib"], ["a.o", "-Wl,-rpath,$ORIGIN/lib"]),
        (["-Wl,-rpath,/opt/pythonic/lib"], ["-Wl,-rpath,/opt/pythonic/lib"]),
    ],
    ids=["as they are", "its own rpath first", "its own rpath amid others", "another's rpath"],
)
def test_the_interpreters_own_rpath_is_left_out_and_all_else_comes_through(
    gcc: Path, given: list[str], reaching: list[str]
) -> None:
    words = run([gcc, *given]).stdout.split("\n")[:-1]
    assert words == ["-ffile-prefix-map=/build=/work", *reaching, "-g0"]
