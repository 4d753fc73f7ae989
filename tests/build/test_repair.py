from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_wheels import shared_object, wheel

from ascend_wheelhouse.build.auditing import auditwheel, started_early
from ascend_wheelhouse.build.repair import (
    BuilderTraceError,
    FloorError,
    LibraryMissingError,
    check_rpaths,
    check_traces,
    floor_of,
    repair_wheel,
)
from ascend_wheelhouse.cells.spec import Repair

MACHINE = platform.machine()
MODERN = Repair(platform=f"manylinux_2_36_{MACHINE}")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def extension(folder: Path, *, link: Sequence[str] = ()) -> Path:
    """Return a wheel whose extension needs libhccl.so, which no builder has."""
    library = shared_object(folder, "libhccl.so")
    code = "extern int nothing(void); int use(void) { return nothing(); }\n"
    made = shared_object(folder, "_C.so", code=code, link=[str(library), *link])
    return wheel(folder / "dist", {"thing/_C.so": made.read_bytes(), "thing/__init__.py": b""})


def test_a_library_that_the_recipe_leaves_to_the_host_stays_outside(tmp_path: Path, out: Path) -> None:
    done = repair_wheel(extension(tmp_path), out, rules=MODERN, host_libraries=["libhccl.so"])
    assert done.wheel.parent == out
    assert floor_of(done.platform) is not None
    assert "linux_" + MACHINE not in done.platform.split(".")


def test_an_auditwheel_that_waited_gives_the_same_wheels_as_one_that_is_started_then(
    tmp_path: Path, out: Path
) -> None:
    made, bytes_of = extension(tmp_path), []
    with started_early() as waiting:
        for number, audit in enumerate((auditwheel, waiting, waiting)):
            (out / str(number)).mkdir()
            done = repair_wheel(
                made, out / str(number), rules=MODERN, host_libraries=["libhccl.so"], audit=audit
            )
            bytes_of.append(done.wheel.read_bytes())
    assert bytes_of[0] == bytes_of[1] == bytes_of[2]


def test_what_auditwheel_complains_of_is_told_by_one_that_waited(tmp_path: Path, out: Path) -> None:
    broken = wheel(tmp_path / "dist", {"thing/_C.so": b"\x7fELF but cut short"})
    with started_early() as waiting:
        told = [audit("repair", "-w", out, broken).splitlines()[-1] for audit in (auditwheel, waiting)]
    assert told[0] == told[1]
    assert told[0]


def test_a_library_that_nobody_has_is_named_with_who_needs_it(tmp_path: Path, out: Path) -> None:
    with pytest.raises(LibraryMissingError, match=r"libhccl\.so \(needed by thing/_C\.so\)"):
        repair_wheel(extension(tmp_path), out, rules=MODERN, host_libraries=[])


def test_what_is_taken_along_from_the_host_is_told_with_a_part_of_its_digest(
    tmp_path: Path, out: Path
) -> None:
    """The key of a build tells nothing of it."""
    made = extension(tmp_path, link=["-Wl,--no-as-needed", "-l:liblzma.so.5"])
    done = repair_wheel(made, out, rules=MODERN, host_libraries=["libhccl.so"])
    assert re.fullmatch(r"grafted liblzma-[0-9a-f]{8}\.so[.0-9]* of the host", done.note)


FULL_NAME = f"_fast.cpython-311-{MACHINE}-linux-gnu.so"
_FAST = "void *PyInit__fast(void) { return 0; }\n"
_NEW = "double pow(double, double); void *PyInit__new(void) { static double x; x = pow(x, x); return &x; }\n"


def without_libc(folder: Path, name: str, *, beside: bool = False) -> Path:
    """Return a wheel whose extension links no C library; `beside` puts one there that needs pow of glibc 2.29."""
    members = {f"thing/{name}": shared_object(folder, "_fast.so", code=_FAST).read_bytes()}
    if beside:
        made = shared_object(folder, "_new.so", code=_NEW, link=["-lm", "-lc"])
        members["thing/_new.so"] = made.read_bytes()
    return wheel(folder / "dist" / name, members)


@pytest.mark.parametrize("beside", [False, True])
def test_an_extension_without_a_c_library_gets_the_tag_of_one_whose_name_tells_its_machine(
    tmp_path: Path, out: Path, *, beside: bool
) -> None:
    platforms = []
    for name in ("_fast.so", FULL_NAME):
        (out / name).mkdir()
        made = without_libc(tmp_path, name, beside=beside)
        done = repair_wheel(made, out / name, rules=MODERN, host_libraries=[])
        platforms.append(done.platform)
        assert done.wheel.parent == out / name
    assert platforms[0] == platforms[1]
    assert (floor_of(platforms[0]) or (9, 9)) <= ((2, 36) if beside else (2, 17))


def test_an_extension_that_needs_newer_nodes_is_told_beside_one_without_a_c_library(
    tmp_path: Path, out: Path
) -> None:
    made = without_libc(tmp_path, "_fast.so", beside=True)
    with pytest.raises(FloorError, match=r"the target's floor is manylinux_2_17") as caught:
        repair_wheel(made, out, rules=Repair(platform=f"manylinux_2_17_{MACHINE}"), host_libraries=[])
    assert "GLIBC_2.29" in caught.value.why or "manylinux_2_29" in caught.value.why
    assert "detect libc" not in caught.value.why


def test_libraries_of_another_wheel_are_left_outside_by_pattern(tmp_path: Path, out: Path) -> None:
    rules = MODERN.model_copy(update={"needs": ("libhc*.so",)})
    assert repair_wheel(extension(tmp_path), out, rules=rules, host_libraries=[]).wheel.exists()


def _too_new(folder: Path) -> Path:
    code = "extern int __libc_single_threaded; int use(void) { return __libc_single_threaded; }\n"
    made = shared_object(folder, "_C.so", code=code, link=["-lc"])
    return wheel(folder / "dist", {"thing/_C.so": made.read_bytes()})


def test_a_wheel_above_the_floor_is_refused_and_the_symbols_are_told(tmp_path: Path, out: Path) -> None:
    rules = Repair(platform=f"manylinux_2_28_{MACHINE}")
    with pytest.raises(FloorError, match=r"the target's floor is manylinux_2_28") as caught:
        repair_wheel(_too_new(tmp_path), out, rules=rules, host_libraries=[])
    assert "GLIBC_2.32" in caught.value.why


def test_a_recipe_may_keep_the_linux_tag_if_it_says_why(tmp_path: Path, out: Path) -> None:
    rules = Repair(platform=f"manylinux_2_28_{MACHINE}", linux_tag="for one cluster")
    done = repair_wheel(_too_new(tmp_path), out, rules=rules, host_libraries=[])
    assert done.platform == f"linux_{MACHINE}"
    assert "for one cluster" in done.note


def test_a_pure_wheel_passes_as_it_is(tmp_path: Path, out: Path) -> None:
    made = wheel(tmp_path, {"thing.py": b""})
    pure = made.rename(tmp_path / "thing-1.0-py3-none-any.whl")
    done = repair_wheel(pure, out, rules=MODERN, host_libraries=[])
    assert done.wheel.read_bytes() == pure.read_bytes()


@pytest.mark.parametrize(
    ("path", "told"),
    [("/opt/cann/lib64", "/opt/cann/lib64"), ("$ORIGIN::$ORIGIN/lib", "an empty entry")],
)
def test_an_rpath_that_leads_out_of_site_packages_is_named(tmp_path: Path, path: str, told: str) -> None:
    made = extension(tmp_path, link=[f"-Wl,-rpath,{path}"])
    with pytest.raises(BuilderTraceError, match=rf"thing/_C\.so: {told}"):
        check_rpaths(made)


def test_a_path_of_the_builder_is_found_even_across_chunks(tmp_path: Path) -> None:
    filler = bytes((1 << 20) - 5)
    made = wheel(tmp_path, {"thing/data.bin": filler + b"/build/source/x.cpp", "thing/ok.txt": b"/usr/lib"})
    with pytest.raises(BuilderTraceError, match=re.escape("thing/data.bin: /build/source")):
        check_traces(made, ["/build/source", "/home/me"])
    check_traces(made, ["/build/source"], allowed=["thing/data.*"])


@pytest.mark.parametrize(
    ("platform_tag", "floor"),
    [
        ("manylinux_2_28_aarch64", (2, 28)),
        ("manylinux_2_27_aarch64.manylinux_2_28_aarch64", (2, 27)),
        ("manylinux2014_x86_64", (2, 17)),
        ("linux_x86_64", None),
    ],
)
def test_the_floor_is_read_from_the_tag(platform_tag: str, floor: tuple[int, int] | None) -> None:
    assert floor_of(platform_tag) == floor
