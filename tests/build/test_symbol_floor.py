from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ascend_wheelhouse.build.symbol_floor import NoPolicyError, allowed_versions, lower

SOURCE = """
int old_power(int x) { return x; }
int new_power(int x) { return 2 * x; }
int brand_new(int x) { return 3 * x; }
int steady(int x) { return 4 * x; }
__asm__(".symver old_power, power@GLIBC_2.17");
__asm__(".symver new_power, power@@GLIBC_2.29");
__asm__(".symver brand_new, fresh@@GLIBC_2.29");
__asm__(".symver steady, steady_one@@GLIBC_2.17");
"""
VERSIONS = "GLIBC_2.17 { };\nGLIBC_2.29 { } GLIBC_2.17;\n"
ALLOWED = {"GLIBC": {"2.17", "2.28"}}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library with one name in two versions, and one name of the newer version alone."""
    (tmp_path / "lib.c").write_text(SOURCE)
    (tmp_path / "versions").write_text(VERSIONS)
    path = tmp_path / "libpower.so"
    words: list[str | Path] = ["gcc", "-shared", "-fPIC", "-o", path, tmp_path / "lib.c"]
    subprocess.run([*words, f"-Wl,--version-script,{tmp_path / 'versions'}"], check=True)
    return path


def link(library: Path, call: str) -> subprocess.CompletedProcess[str]:
    program = library.with_name("program")
    source = library.with_name("program.c")
    source.write_text(f"int {call}(int);\nint main(void) {{ return {call}(1); }}\n")
    words: list[str | Path] = ["gcc", "-o", program, source, library]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def version_of(program: Path, name: str) -> str:
    shown = subprocess.run(
        ["readelf", "--dyn-syms", "-W", program], capture_output=True, text=True, check=True
    ).stdout
    row = next(line for line in shown.splitlines() if f"{name}@" in line)
    return row.partition("@")[2].split()[0].lstrip("@")


def test_the_linker_takes_the_version_that_old_nodes_have(library: Path) -> None:
    assert link(library, "power").returncode == 0
    assert version_of(library.with_name("program"), "power") == "GLIBC_2.29"

    library.write_bytes(lower(library.read_bytes(), ALLOWED))

    done = link(library, "power")
    assert done.returncode == 0, done.stderr
    assert version_of(library.with_name("program"), "power") == "GLIBC_2.17"


def test_what_old_nodes_lack_altogether_is_missing_when_linked(library: Path) -> None:
    assert link(library, "fresh").returncode == 0
    library.write_bytes(lower(library.read_bytes(), ALLOWED))
    done = link(library, "fresh")
    assert done.returncode != 0
    assert "undefined reference to `fresh'" in done.stderr


def test_what_they_have_stays_as_it_was(library: Path) -> None:
    library.write_bytes(lower(library.read_bytes(), ALLOWED))
    assert link(library, "steady_one").returncode == 0
    assert version_of(library.with_name("program"), "steady_one") == "GLIBC_2.17"


def test_a_list_is_that_of_the_newest_tag_that_promises_no_more() -> None:
    listed = allowed_versions("aarch64", (2, 28))
    assert "2.28" in listed["GLIBC"]
    assert "2.29" not in listed["GLIBC"]
    assert listed == allowed_versions("aarch64", (2, 30))
    assert "2.34" in allowed_versions("aarch64", (2, 34))["GLIBC"]


def test_without_any_list_it_says_so() -> None:
    with pytest.raises(NoPolicyError, match=r"glibc 2\.3 on aarch64"):
        allowed_versions("aarch64", (2, 3))
