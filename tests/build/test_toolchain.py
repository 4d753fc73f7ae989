from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.build.toolchain import ToolchainUnfitError, find_toolchain, host_probe, set_env_script

BUILDER = """gcc|/usr/bin/gcc|12.2.0|gcc (Debian 12.2.0-14) 12.2.0 aarch64-linux-gnu
gcc|/opt/rh/gcc-toolset-13/root/usr/bin/gcc|13.3.1|gcc (GCC) 13.3.1 aarch64-redhat-linux
binutils|/usr/bin/ld|2.40|GNU ld 2.40
glibc|/|2.28|glibc 2.28
cann|/usr/local/Ascend/cann-8.5.0|8.5.0|8.5.0 V100R001 aarch64
cann|/usr/local/Ascend/ascend-toolkit/8.3.RC2|8.3.RC2|8.3.RC2 V100R001C23 aarch64
"""


def builder(_script: str) -> str:
    return BUILDER


def test_the_first_candidate_within_the_bounds_is_taken() -> None:
    found = find_toolchain({"gcc": ">=13,<15", "cann": "==8.3.RC2"}, probe=builder)
    assert found.cann_home == "/usr/local/Ascend/ascend-toolkit/8.3.RC2"
    assert found.identity["gcc"].startswith("gcc (GCC) 13.3.1")
    assert found.folders == ("/opt/rh/gcc-toolset-13/root/usr/bin",)


def test_a_wrong_gcc_and_a_missing_cann_are_told_together_before_anything_starts() -> None:
    with pytest.raises(ToolchainUnfitError) as caught:
        find_toolchain({"gcc": ">=14", "cann": "==9.1.0"}, probe=builder)
    assert "cann ==9.1.0 wanted, found 8.3.RC2, 8.5.0" in caught.value.what
    assert "gcc >=14 wanted, found 12.2.0, 13.3.1" in caught.value.what


def test_a_cmake_of_the_build_environment_is_not_asked_of_the_host() -> None:
    with pytest.raises(ToolchainUnfitError, match="cmake"):
        find_toolchain({"cmake": ">=3.20"}, probe=builder)
    found = find_toolchain({"cmake": ">=3.20"}, requirements=["cmake>=3.20,<4"], probe=builder)
    assert found.get("cmake") is None


def test_a_sealed_build_takes_no_cmake_of_an_environment_of_pip_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cmake", "ninja", "make"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} version 9.9.9\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    sealed = find_toolchain({"cmake": ">=3", "ninja": ">=1"})
    assert str(tmp_path) not in sealed.folders
    assert {"/usr/bin/cmake", "/usr/bin/ninja"} <= {one.path for one in sealed.tools}
    unsealed = find_toolchain({"cmake": "==9.9.9", "ninja": "==9.9.9"}, shown="/")
    assert str(tmp_path) in unsealed.folders
    for name in ("cmake", "ninja"):
        (tmp_path / name).unlink()
    assert find_toolchain({"make": "==9.9.9"}).folders == (str(tmp_path),)


def test_this_host_is_identified_without_a_path_in_the_identity() -> None:
    found = find_toolchain({"gcc": ">=1"}, probe=host_probe)
    assert {"gcc", "binutils", "glibc"} <= set(found.identity)
    assert "/" not in "".join(found.identity.values())


@pytest.mark.parametrize(
    ("home", "script"),
    [
        ("cann-8.5.0", "cann-8.5.0/set_env.sh"),
        ("ascend-toolkit/8.3.RC2", "ascend-toolkit/set_env.sh"),
    ],
)
def test_set_env_lies_inside_cann_from_8_5_on_and_beside_it_before(
    home: str, script: str, tmp_path: Path
) -> None:
    (tmp_path / home).mkdir(parents=True)
    (tmp_path / script).touch()
    assert set_env_script(str(tmp_path / home)) == str(tmp_path / script)
