"""What ccache is told of a compiler, and where each image's objects lie."""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.build.object_cache import made_folder, variables
from ascend_wheelhouse.build.toolchain import Tool, Toolchain


def tools(gcc: str = "gcc 13.3.1 x86_64-redhat-linux", path: str = "/usr/bin/gcc") -> Toolchain:
    return Toolchain(tools=(Tool(name="gcc", path=path, version="13.3.1", identity=gcc),))


def test_each_component_and_each_image_and_compiler_in_it_has_a_cache_of_its_own(tmp_path: Path) -> None:
    other_gcc, other_place = (
        tools("gcc 12.2.0 x86_64-redhat-linux"),
        tools(path="/opt/rh/gcc-toolset-13/root/usr/bin/gcc"),
    )
    made = [
        made_folder(tmp_path, "torch-npu", tools(), ""),
        made_folder(tmp_path, "sglang", tools(), ""),
        made_folder(tmp_path, "torch-npu", tools(), "sha256:01"),
        made_folder(tmp_path, "sglang", tools(), "sha256:01"),
        made_folder(tmp_path, "torch-npu", tools(), "sha256:02"),
        made_folder(tmp_path, "torch-npu", other_gcc, "sha256:01"),
        made_folder(tmp_path, "torch-npu", other_place, "sha256:01"),
    ]
    assert len(set(made)) == len(made)
    assert {one.parent for one in made} == {tmp_path / "objects"}
    assert made_folder(tmp_path, "torch-npu", tools(), "sha256:01") == made[2]


def test_what_ccache_hashes_names_the_image_and_the_compiler_and_no_path() -> None:
    first = variables(tools(), image="sha256:01", root="/build", folder="/build/ccache", mode=0o755)
    assert first["CCACHE_COMPILERCHECK"] == "string:sha256:01 gcc 13.3.1 x86_64-redhat-linux"
    assert {name: text for name, text in first.items() if "/" in text} == {
        "CCACHE_CONFIGPATH": "/dev/null",
        "CCACHE_DIR": "/build/ccache",
        "CCACHE_STATSLOG": "/build/ccache.log",
    }
