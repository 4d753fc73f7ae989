"""A wheel that takes libraries along out of a real toolchain's sysroot, for the other architecture and for this one.

The extension links two libraries of Debian 11, one of which needs five more; the system that imports it has Debian 12's
alone. Toolchains are kept in this user's store.
"""

from __future__ import annotations

import os
import platform
import sys
import zipfile
from pathlib import Path

import pytest
from upstreams import commit

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.base.process import Finished, run
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.job import BuildJob, Sources
from ascend_wheelhouse.build.repair import LibraryMissingError, floor_of, platform_of
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.spec import BuildTable
from ascend_wheelhouse.cells.target import MACHINES, Machine, Target
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.own_toolchains import own_toolchains
from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.verify import emulation
from ascend_wheelhouse.verify.system_root import system_root
from ascend_wheelhouse.wheels.elf import read_elf
from ascend_wheelhouse.wheels.grafted import BILL, read_bill

PROJECT = Path(__file__).parents[2]
HOST = platform.machine()
LOCKED = {one for one in MACHINES if [*(PROJECT / "lockfiles/toolchains").glob(f"*.{HOST}-for-{one}.toml")]}
pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="three minutes: nox -s foreign"),
]
_CODE = """
#include <Python.h>
extern unsigned long OpenSSL_version_num(void);
extern int krb5_string_to_deltat(char *text, int *seconds);
static PyObject *told(PyObject *self, PyObject *none) {
    int seconds = 0;
    krb5_string_to_deltat("1h", &seconds);
    return Py_BuildValue("ki", OpenSSL_version_num() >> 20, seconds);
}
static PyMethodDef methods[] = {{"told", told, METH_NOARGS, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C", 0, -1, methods};
PyMODINIT_FUNC PyInit__C(void) { return PyModule_Create(&module); }
"""
_MAKE = """
import os, subprocess, sys, zipfile
machine, libraries = sys.argv[1], sys.argv[2:]
command = [f"{machine}-linux-gnu-gcc", "-O1", "-shared", "-fPIC", "-I/usr/include/python3.11", "-o", "_C.so", "c.c"]
subprocess.check_call([command[0], "-shared", "-Wl,-soname,liblost.so.1", "-o", "liblost.so.1", "lost.c"])
subprocess.check_call([*command, f"-ffile-prefix-map={os.getcwd()}=/source", *libraries])
tag, info = f"cp311-cp311-linux_{machine}", "takes-1.0.dist-info"
os.makedirs("dist")
with zipfile.ZipFile(f"dist/takes-1.0-{tag}.whl", "w") as wheel:
    wheel.write("_C.so", f"takes/_C.cpython-311-{machine}-linux-gnu.so")
    wheel.writestr("takes/__init__.py", "from takes._C import told\\n")
    wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: takes\\nVersion: 1.0\\n")
    wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}\\n")
    wheel.writestr(f"{info}/RECORD", "".join(f"{row},,\\n" for row in [*wheel.namelist(), f"{info}/RECORD"]))
"""
_IMPORT = "import platform, takes; print(platform.machine(), *takes.told())"
_LINKED = ("-l:libcrypto.so.1.1", "-l:libkrb5.so.3")
_GRAFTED = ["libcom_err", "libcrypto", "libk5crypto", "libkeyutils", "libkrb5", "libkrb5support"]


@pytest.fixture(params=sorted(MACHINES))
def machine(request: pytest.FixtureRequest) -> Machine:
    chosen: Machine = request.param
    missing = [need.name for need in emulation.needs(chosen) if need.required and not need.present]
    if missing and chosen != HOST:
        pytest.skip(f"invoke doctor --emulation: {', '.join(missing)} missing")
    if chosen not in LOCKED:
        pytest.skip("no toolchain is locked for this kind of builder")
    return chosen


def built(root: Path, machine: Machine, *libraries: str) -> Path:
    """Build the extension with a toolchain of ours, and return its wheel."""
    target, store = Target(machine=machine), Store(root / "store")
    commit(root / "servers/takes.git", {"c.c": _CODE, "make.py": _MAKE, "lost.c": "int lost;"})
    table = {"steps": [["python3", "make.py", machine, *libraries]], "distributions": ["takes"]}
    cell = Cell(stack="test", target=target, cann="8.5.0", components={"torch": "2.8.0", "sglang": "1"})
    spec = BuildTable.model_validate(table).resolve(cell, "1.0")
    mirrors = Mirrors(prefixes={"https://hub.test/": f"file://{root}/servers/"})
    tree = pin("https://hub.test/takes.git", "main", store=store, mirrors=mirrors)
    job = BuildJob(
        component="takes",
        version="1.0",
        machine=machine,
        python="3.11",
        spec=spec,
        sources=Sources(tree=tree),
    )
    kept = Store(default_root())
    rooted = own_toolchains(PROJECT, Fetcher(recipes={}, store=kept)).rooted(spec, target)
    builder = Builder(store=store, sandbox=rooted, emit=silent, interpreter=rooted.interpreter)
    (wheel,) = builder.build(job, rooted.toolchain())
    named = root / wheel.filename
    named.write_bytes(store.path(wheel.sha256).read_bytes())
    (root / "note").write_text(wheel.note)
    return named


def imported(work: Path, machine: Machine) -> Finished:
    """Import what lies in `site`, under emulation in a system without those libraries where it is not for this host."""
    if machine == HOST:
        return run([sys.executable, "-c", _IMPORT], env={"PYTHONPATH": str(work / "site")}, check=False)
    root = system_root(machine, "3.11", default_root())
    assert not list((root / "usr/lib").rglob("libcrypto.so.1.1"))
    launcher = emulation.EmulatedLauncher(machine=machine, root=root, work=work)
    environment = {"PYTHONPATH": launcher.inside(work / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = launcher.command(["/usr/bin/python3.11", "-c", _IMPORT], environment, network=False)
    return run(command, check=False)


def test_libraries_of_the_sysroot_go_along_and_the_wheel_imports_where_the_system_lacks_them(
    machine: Machine, tmp_path: Path
) -> None:
    wheel = built(tmp_path / "one", machine, *_LINKED)
    floor = floor_of(platform_of(wheel))
    assert floor is not None
    assert (2, 17) < floor <= (2, 28)  # the extension alone is of 2.17: what goes along is measured too
    with zipfile.ZipFile(wheel) as opened:
        members = {name: opened.read(name) for name in opened.namelist() if ".so" in name}
        told = list(read_bill(opened.read(f"takes-1.0.dist-info/{BILL}")))
        opened.extractall(tmp_path / "site")
    assert {read_elf(data).machine for data in members.values()} == {machine}
    names = [Path(one.path).name.partition("-")[0] for one in told]
    assert names == _GRAFTED
    assert {one.path for one in told} == {name for name in members if ".libs/" in name}
    note = (tmp_path / "one/note").read_text()
    assert all(one.facts["package-sha256"] in note for one in told)
    done = imported(tmp_path, machine)
    assert done.stdout.split() == [machine, str(0x101), "3600"], done.stderr
    again = built(tmp_path / "two", machine, *_LINKED)
    assert again.read_bytes() == wheel.read_bytes()


def test_a_library_that_no_package_of_the_toolchain_has_is_named_with_the_command_that_locks_one(
    machine: Machine, tmp_path: Path
) -> None:
    lost = ("-Wl,--no-as-needed", "-L.", "-l:liblost.so.1")
    with pytest.raises(
        LibraryMissingError, match=r"liblost\.so\.1 \(needed by takes/_C\.cpython-311-"
    ) as caught:
        built(tmp_path, machine, *_LINKED, *lost)
    assert f"invoke toolchain --name gcc-13 --platform {machine} --lock; " in caught.value.next_step
