"""Libraries that a wheel takes along out of a toolchain's packages: small Debian packages made on the spot."""

from __future__ import annotations

import ctypes
import hashlib
import json
import platform
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from small_wheels import shared_object, wheel
from toolchain_locks import package

from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.grafts import Libraries, lay_libraries
from ascend_wheelhouse.build.normalise import normalise_wheel
from ascend_wheelhouse.build.repair import FloorError, GraftedFromHostError, LibraryMissingError, repair_wheel
from ascend_wheelhouse.cells.spec import Repair
from ascend_wheelhouse.folder.sbom import read_facts, write_sbom
from ascend_wheelhouse.locks.toolchain_lock import LockedPackage
from ascend_wheelhouse.store.store import Store

MACHINE = platform.machine()
PLACE = f"usr/lib/{MACHINE}-linux-gnu"
FLOOR = Repair(platform=f"manylinux_2_28_{MACHINE}")
LICENCE = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: somebody
License: Zlib

Files: debian/*
License: GPL-2+
"""


@dataclass(frozen=True, kw_only=True)
class Sysroot:
    """Packages of a sysroot while they are made."""

    folder: Path

    def made(
        self, name: str, files: Mapping[str, bytes], links: Mapping[str, str] | None = None
    ) -> LockedPackage:
        """Make a Debian package and have it in the store."""
        tree = self.folder / "packages" / name
        text = f"Package: {name}\nVersion: 1.0-2+b1\nArchitecture: all\nMaintainer: a <a@example>\nDescription: x\n"
        for path, data in {"DEBIAN/control": text.encode(), **files}.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(data)
        for path, aim in (links or {}).items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).symlink_to(aim)
        made = self.folder / f"{name}_1.0-2%2bb1_all.deb"
        run(["dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, made])
        Store(self.folder / "store").add(made)
        return package(made.name, "sysroot", made.read_bytes())

    def library(self, name: str, *, code: str = "", link: Sequence[str] = ()) -> Path:
        """Compile a library that is nowhere on the loader's way."""
        return shared_object(self.folder / "compiled", name, code=code, link=link)

    def laid(self, *packages: LockedPackage) -> Libraries:
        """Return what wheels may take along."""
        folder = self.folder / "libraries"
        folder.mkdir()
        lay_libraries(folder, packages, MACHINE, Store(self.folder / "store"))
        return Libraries(
            folder=folder, machine=MACHINE, glibc=(2, 28), packages=packages, remedy="invoke toolchain --lock"
        )


@pytest.fixture
def sysroot(tmp_path: Path) -> Sysroot:
    return Sysroot(folder=tmp_path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def deep_and_upper(sysroot: Sysroot) -> tuple[Path, Libraries]:
    """Make a library that needs another, in packages of their own, beside the package with both licences."""
    deep = sysroot.library("libdeep.so.1", code="int deep(void) { return 42; }\n")
    code = "extern int deep(void); int upper(void) { return deep(); }\n"
    upper = sysroot.library("libupper.so.1", code=code, link=[str(deep)])
    base = sysroot.made("upper-base", {"usr/share/doc/upper-base/copyright": LICENCE.encode()})
    packages = (
        base,
        sysroot.made(
            "libdeep1",
            {f"{PLACE}/libdeep.so.1.0": deep.read_bytes()},
            {f"{PLACE}/libdeep.so.1": "libdeep.so.1.0"},
        ),
        sysroot.made(
            "libupper1",
            {f"{PLACE}/libupper.so.1": upper.read_bytes()},
            {"usr/share/doc/libupper1": "upper-base", f"{PLACE}/libupper.so": "/nowhere/libupper.so.1"},
        ),
    )
    return upper, sysroot.laid(*packages)


CALLS = "extern int upper(void); int use(void) { return upper(); }\n"


def extension(folder: Path, *libraries: Path, link: Sequence[str] = (), code: str = CALLS) -> Path:
    """Return a wheel whose extension calls `upper` of the libraries."""
    made = shared_object(folder, "_C.so", code=code, link=[*map(str, libraries), *link])
    return wheel(folder / "dist", {"thing/_C.so": made.read_bytes(), "thing/__init__.py": b""})


def test_a_wheel_takes_along_what_it_needs_and_what_that_needs(
    sysroot: Sysroot, tmp_path: Path, out: Path
) -> None:
    upper, libraries = deep_and_upper(sysroot)
    made = extension(tmp_path, upper)
    (sysroot.folder / "compiled").rename(sysroot.folder / "moved")
    done = repair_wheel(made, out, rules=FLOOR, host_libraries=[], libraries=libraries)
    with zipfile.ZipFile(done.wheel) as opened:
        opened.extractall(tmp_path / "site")
    grafted = {path.name.partition("-")[0] for path in (tmp_path / "site/thing.libs").iterdir()}
    assert grafted == {"libdeep", "libupper"}
    assert ctypes.CDLL(str(tmp_path / "site/thing/_C.so")).use() == 42
    assert "libupper.so.1 of libupper1_1.0-2+b1_all.deb (sha256 " in done.note


def test_licence_package_version_and_digests_stand_in_the_wheel_and_in_the_bill_of_the_wheelhouse(
    sysroot: Sysroot, tmp_path: Path, out: Path
) -> None:
    upper, libraries = deep_and_upper(sysroot)
    done = repair_wheel(extension(tmp_path, upper), out, rules=FLOOR, host_libraries=[], libraries=libraries)
    final = normalise_wheel(done.wheel, tmp_path, local_version=None, epoch=0, additions=done.additions)
    document = bill_of(final)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
    nested = json.loads(document)["components"][0]["components"]
    told = next(one for one in nested if one["name"].startswith("libupper-"))
    assert told["purl"] == "pkg:deb/debian/libupper1@1.0-2%2Bb1?arch=all"
    assert [row["license"]["name"] for row in told["licenses"]] == ["GPL-2+", "Zlib"]
    facts = {row["name"].partition(":")[2]: row["value"] for row in told["properties"]}
    assert facts["library-sha256"] == hashlib.sha256(upper.read_bytes()).hexdigest()
    assert facts["package-sha256"] == libraries.known["libupper.so.1"].package.sha256
    with zipfile.ZipFile(final) as opened:
        own = opened.read("thing-1.0.dist-info/sboms/ascend-wheelhouse.cdx.json").decode()
        assert opened.read("thing-1.0.dist-info/licenses/grafted/libupper1.txt").decode() == LICENCE
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(own) is None


def bill_of(made: Path) -> str:
    """Return the bill of a wheelhouse with that wheel alone."""
    sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    entry = {
        "path": f"wheels/{made.name}",
        "sha256": sha256,
        "kind": "wheel",
        "name": "thing",
        "version": "1.0",
    }
    manifest = {
        "tool": "t 1",
        "stack": "s",
        "platform": "p",
        "complete": True,
        "cell": {"machine": MACHINE},
        "files": [entry | {"origin": "sdist", "note": ""}],
        "pending": [],
    }
    return write_sbom(manifest, [], {made.name: read_facts(made)}).decode()


def test_the_same_wheel_gives_the_same_bytes(sysroot: Sysroot, tmp_path: Path, out: Path) -> None:
    upper, libraries = deep_and_upper(sysroot)
    made, finals = extension(tmp_path, upper), []
    for name in ("one", "two"):
        (out / name).mkdir()
        done = repair_wheel(made, out / name, rules=FLOOR, host_libraries=[], libraries=libraries)
        (out / name / "final").mkdir()
        place = out / name / "final"
        final = normalise_wheel(done.wheel, place, local_version=None, epoch=0, additions=done.additions)
        finals.append(final.read_bytes())
    assert finals[0] == finals[1]


def test_libraries_that_nobody_has_are_named_all_at_once_with_the_command(
    sysroot: Sysroot, tmp_path: Path, out: Path
) -> None:
    lost = sysroot.library("liblost.so.1", code="int lost(void) { return 1; }\n")
    other = sysroot.library("libother.so.1", code="int other(void) { return 1; }\n")
    code = "extern int lost(void); int upper(void) { return lost(); }\n"
    upper = sysroot.library("libupper.so.1", code=code, link=[str(lost)])
    libraries = sysroot.laid(sysroot.made("libupper1", {f"{PLACE}/libupper.so.1": upper.read_bytes()}))
    code = "extern int upper(void), other(void); int use(void) { return upper() + other(); }\n"
    made = extension(tmp_path, upper, other, code=code)
    with pytest.raises(LibraryMissingError) as caught:
        repair_wheel(made, out, rules=FLOOR, host_libraries=[], libraries=libraries)
    assert (
        "liblost.so.1 (needed by libupper.so.1); libother.so.1 (needed by thing/_C.so)" in caught.value.what
    )
    assert caught.value.next_step.endswith("for the others invoke toolchain --lock")


def test_a_library_of_the_host_is_not_taken_for_one_of_the_toolchain(
    sysroot: Sysroot, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upper = sysroot.library("libupper.so.1", code="int upper(void) { return 1; }\n")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(upper.parent))
    with pytest.raises(LibraryMissingError, match=r"libupper\.so\.1 \(needed by thing/_C\.so\)"):
        repair_wheel(
            extension(tmp_path, upper), out, rules=FLOOR, host_libraries=[], libraries=sysroot.laid()
        )


def test_a_library_of_the_host_that_an_rpath_leads_to_is_refused(
    sysroot: Sysroot, tmp_path: Path, out: Path
) -> None:
    upper = sysroot.library("libupper.so.1", code="int upper(void) { return 1; }\n")
    made = extension(tmp_path, upper, link=[f"-Wl,-rpath,{upper.parent}"])
    with pytest.raises(GraftedFromHostError, match=r"not of the toolchain's sysroot: thing\.libs/libupper-"):
        repair_wheel(made, out, rules=FLOOR, host_libraries=[], libraries=sysroot.laid())


def test_a_library_that_nodes_are_too_old_for_is_refused(sysroot: Sysroot, tmp_path: Path, out: Path) -> None:
    code = "extern int __libc_single_threaded; int upper(void) { return __libc_single_threaded; }\n"
    upper = sysroot.library("libupper.so.1", code=code, link=["-lc"])
    libraries = sysroot.laid(sysroot.made("libupper1", {f"{PLACE}/libupper.so.1": upper.read_bytes()}))
    made = extension(tmp_path, upper)
    with pytest.raises(FloorError, match=r"the target's floor is manylinux_2_28") as caught:
        repair_wheel(made, out, rules=FLOOR, host_libraries=[], libraries=libraries)
    assert "GLIBC_2.32" in caught.value.why


def test_what_the_recipe_leaves_to_the_node_is_not_taken_along(
    sysroot: Sysroot, tmp_path: Path, out: Path
) -> None:
    upper, libraries = deep_and_upper(sysroot)
    made = extension(tmp_path, upper)
    done = repair_wheel(made, out, rules=FLOOR, host_libraries=["libupper.so.*"], libraries=libraries)
    with zipfile.ZipFile(done.wheel) as opened:
        assert not [name for name in opened.namelist() if ".libs/" in name]
    assert (done.note, done.additions) == ("", {})
