"""Wheelhouses with one defect each: the right check reports it, no other says a word."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from defects import DEFECTS, Spoil, put_library
from defects_of_content import (
    NUMPY_SCRIPTS,
    a_builder_path_in_direct_url,
    a_script_of_a_module_that_no_wheel_has,
    a_triton_ascend_for_an_older_cann,
)
from defects_of_files import two_entry_points_of_one_name
from defects_of_linking import (
    a_cuda_build_of_a_package_that_does_without,
    a_cuda_build_of_torch,
    an_object_of_32_bits,
    linked_to_own,
)
from shop import compiled, npu_library, open_shop

from ascend_wheelhouse.audit.policy import KnownStack

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


@pytest.mark.parametrize(
    ("built", "allowed", "severity"),
    [(False, "", "warning"), (True, "", "error"), (True, "*.json", "warning")],
)
def test_a_builders_path_counts_more_in_a_wheel_that_was_built_here(
    tmp_path: Path, *, built: bool, allowed: str, severity: str
) -> None:
    shop = open_shop()
    a_builder_path_in_direct_url(shop)
    carries = {"numpy": (allowed,)} if allowed else {}
    built_here = frozenset({"numpy"} if built else {})
    shop.policy = replace(shop.policy, built_here=built_here, carries_paths=carries)
    (found,) = [one for one in shop.audit(tmp_path).findings if one.rule == "builder-path"]
    assert found.severity == severity


def _words(item: tuple[str, str, Spoil]) -> str:
    return item[2].__name__


@pytest.mark.parametrize("item", DEFECTS, ids=_words)
def test_one_defect_is_reported_by_its_check_alone(tmp_path: Path, item: tuple[str, str, Spoil]) -> None:
    check, rule, spoil = item
    shop = open_shop()
    spoil(shop)
    report = shop.audit(tmp_path)
    found = {(one.check, one.rule) for one in report.findings if one.severity != "note" or one.rule == rule}
    assert (check, rule) in found
    assert {one for one, _ in found} == {check}, report.findings
    assert all(one.message and one.repair for one in report.findings)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_wheelhouse_without_a_defect_is_clean(tmp_path: Path, machine: str) -> None:
    if shutil.which("aarch64-linux-gnu-g++") is None and machine == "aarch64":
        pytest.skip("no cross compiler")
    report = open_shop(machine).audit(tmp_path)
    assert report.clean
    assert not report.of("warning")
    assert list(report.left_to_host.values()) == [1]


@pytest.mark.parametrize(("machine", "told"), [("x86_64", []), ("aarch64", ["small-pages"])])
def test_an_object_for_small_pages_is_warned_of_where_kernels_have_larger_ones(
    tmp_path: Path, machine: str, told: list[str]
) -> None:
    if shutil.which("aarch64-linux-gnu-g++") is None and machine == "aarch64":
        pytest.skip("no cross compiler")
    shop = open_shop(machine)
    small = ("-Wl,-z,max-page-size=4096", "-Wl,-z,common-page-size=4096")
    put_library(shop, npu_library(extra=small, machine=machine))
    assert [one.rule for one in shop.audit(tmp_path).of("warning")] == told


def test_headers_of_one_name_in_two_wheels_are_no_defect(tmp_path: Path) -> None:
    shop = open_shop()
    for name in ("first", "second"):
        shop.add(name, {f"{name}.py": "", f"{name}-1.0.data/headers/common.h": name})
    assert shop.audit(tmp_path).clean


def test_what_one_wheel_hides_of_itself_and_folders_without_modules_are_no_defect(tmp_path: Path) -> None:
    shop = open_shop()
    shop.add("first", {"six.py": "", "six/__init__.py": "", "seven/a.py": "", "eight.py": ""})
    shop.add("second", {"six/data.json": "{}", "seven/b.py": "", "eight/data.json": "{}"})
    assert not [one for one in shop.audit(tmp_path).findings if one.rule == "hidden-module"]


def test_a_library_that_another_object_of_the_wheel_finds_needs_no_search_path_twice(tmp_path: Path) -> None:
    shop = open_shop()
    linked_to_own(shop)
    shop.wheels["first"].files["first/_y.so"] = compiled("_y.so", "int y;", ("-Wl,-rpath,$ORIGIN/lib",))
    assert not shop.audit(tmp_path).of("warning")


def test_a_script_for_the_linker_is_no_defect(tmp_path: Path) -> None:
    shop = open_shop()
    script = "/* GNU ld script */\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( libpng.so.16 )\n"
    shop.wheels["torchvision"].files["torchvision/libpng.so"] = script
    assert shop.audit(tmp_path).clean


def test_an_object_of_32_bits_is_told_as_that(tmp_path: Path) -> None:
    shop = open_shop()
    an_object_of_32_bits(shop)
    (found,) = [one for one in shop.audit(tmp_path).findings if one.rule == "machine"]
    assert found.message == "the object is for x86_64, 32 bits or big-endian, and the target is x86_64"


def test_there_are_at_least_forty_defects_of_every_check() -> None:
    assert len(DEFECTS) >= 40
    assert {check for check, _, _ in DEFECTS} == {
        "link-closure",
        "cxx-abi",
        "ownership",
        "metadata",
        "undeclared-imports",
        "cell",
        "hygiene",
    }


def test_a_cuda_build_stops_torch_and_only_warns_of_torchvision(tmp_path: Path) -> None:
    shop = open_shop()
    a_cuda_build_of_a_package_that_does_without(shop)
    assert shop.audit(tmp_path / "vision").clean
    shop = open_shop()
    a_cuda_build_of_torch(shop)
    assert not shop.audit(tmp_path / "torch").clean


def test_a_pair_that_upstream_does_not_state_is_a_warning_where_a_stack_lists_it(tmp_path: Path) -> None:
    shop = open_shop()
    a_triton_ascend_for_an_older_cann(shop)
    assert not shop.audit(tmp_path / "unlisted").clean
    versions = {"torch": "2.8.0", "triton_ascend": "3.2.0rc4", "cann": "8.5.0"}
    policy = shop.policy
    listed = KnownStack(
        name="known", versions=versions, machines=frozenset({"x86_64"}), npus=frozenset({policy.target.npu})
    )
    shop.hold_to(stacks=(*policy.stacks, listed))
    report = shop.audit(tmp_path / "listed")
    assert report.clean
    assert [one.rule for one in report.of("warning")] == ["triton-cann"]


def test_what_a_stack_lists_with_its_cann_is_a_warning_beside_another_release_of_sglang_too(
    tmp_path: Path,
) -> None:
    shop = open_shop()
    a_triton_ascend_for_an_older_cann(shop)
    policy = shop.policy
    versions = {"torch": "2.8.0", "triton_ascend": "3.2.0rc4", "cann": "8.5.0", "sglang": "0.5.5"}
    stack = KnownStack(
        name="known", versions=versions, machines=frozenset({"x86_64"}), npus=frozenset({policy.target.npu})
    )
    assert "sglang" in policy.compared
    shop.hold_to(stacks=(*policy.stacks, stack))
    report = shop.audit(tmp_path / "derived")
    assert next(one.rule for one in report.of("warning") if one.check == "cell") == "triton-cann"
    assert report.clean


def test_extension_modules_for_other_pythons_beside_the_right_one_are_no_defect(tmp_path: Path) -> None:
    shop = open_shop()
    for python in ("311", "312"):
        name = f"torchvision/_C.cpython-{python}-x86_64-linux-gnu.so"
        shop.wheels["torchvision"].files[name] = compiled("_C.so", "int c;")
    assert shop.audit(tmp_path).clean


def test_two_entry_points_of_one_name_differ_by_what_they_start(tmp_path: Path) -> None:
    shop = open_shop()
    two_entry_points_of_one_name(shop)
    (found,) = [one for one in shop.audit(tmp_path).findings if one.rule == "shared-path"]
    assert (found.severity, found.member) == ("error", "{scripts}/serve")
    assert "1 of them with different content" in found.message


def test_scripts_of_other_wheels_and_of_pythons_own_modules_are_no_defect(tmp_path: Path) -> None:
    shop = open_shop()
    text = "[console_scripts]\none = sglang.server:main\ntwo = json.tool:main\nthree = numpy:show [extra]\n"
    shop.wheels["numpy"].files[NUMPY_SCRIPTS] = text
    assert not shop.audit(tmp_path / "whole").of("warning")
    a_script_of_a_module_that_no_wheel_has(shop)
    shop.policy = replace(shop.policy, alone=True)
    assert not shop.audit(tmp_path / "alone").of("warning")


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        (">=3.11", ""),
        ("==3.11.*", ""),
        (">=3.11.4", "excludes 4 releases, 3.11.0 to 3.11.3"),
        (">=3.8,!=3.11.2", "excludes 3.11.2"),
        (">3.11", "excludes 3.11.0"),
    ],
)
def test_releases_of_python_that_a_wheel_excludes_are_warned_of(
    tmp_path: Path, stated: str, told: str
) -> None:
    shop = open_shop()
    shop.wheels["numpy"].metadata = [f"Requires-Python: {stated}"]
    found = shop.audit(tmp_path).of("warning")
    assert [f"Requires-Python {told}: " in one.message for one in found] == ([True] if told else [])
