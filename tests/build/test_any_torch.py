"""One extension for several torch versions of the other architecture: each wheel loads beside its own torch.

Compiled with a toolchain of ours, for nodes of glibc 2.28, against torch's own wheels of the index; judged by the
audit, whose link closure names each symbol that a torch lacks, and by importing each under emulation. The big wheels
and the toolchain are kept in this user's store, so that they are fetched once.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename
from packaging.version import Version
from upstreams import commit

from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.readers import WheelInput
from ascend_wheelhouse.audit.report import Finding
from ascend_wheelhouse.audit.runner import audit_wheels
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.base.process import Finished, run
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.job import BuildJob, Sources
from ascend_wheelhouse.build.rooted import Rooted
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.spec import BuildSpec, BuildTable
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.own_toolchains import own_toolchains
from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, FoundFile
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.root import default_root
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.verify import emulation
from ascend_wheelhouse.verify.system_root import system_root

TARGET = Target(machine="aarch64")
MISSING = [need.name for need in emulation.needs(TARGET.machine) if need.required and not need.present]
pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif("WHEELHOUSE_LONG_TESTS" not in os.environ, reason="minutes: nox -s foreign"),
    pytest.mark.skipif(bool(MISSING), reason=f"invoke doctor --emulation: {', '.join(MISSING)} missing"),
]

PROJECT = Path(__file__).parents[2]
TORCHES = ("2.6.0", "2.7.1", "2.8.0", "2.9.1", "2.10.0")
OTHER = {one: "2.8.0" if Version(one) < Version("2.8") else "2.7.1" for one in TORCHES}
_CODE = """
#include <torch/library.h>
#include <c10/core/TensorImpl.h>
// refresh_contiguous is inlined from torch's own header, and what it calls changed between 2.7 and 2.8.
struct Impl : c10::TensorImpl { using c10::TensorImpl::TensorImpl; void touch() { refresh_contiguous(); } };
extern "C" void any_torch_touch(Impl *impl) { impl->touch(); }
static at::Tensor twice(const at::Tensor &x) { return x.add(x); }
TORCH_LIBRARY(any_torch, m) { m.def("twice(Tensor x) -> Tensor", &twice); }
"""
_INIT = """
import pathlib, torch
torch.ops.load_library(pathlib.Path(__file__).with_name("_C.so"))
"""
_IMPORT = """
import platform, sys, torch
sys.path.insert(0, sys.argv[1])
import any_torch
print(platform.machine(), torch.__version__.partition("+")[0], torch.ops.any_torch.twice(torch.arange(3)).tolist())
try: torch.ops.load_library(sys.argv[2])
except OSError as error: print(error.__cause__ or error)  # torch 2.9 wraps what the loader said
"""
_MAKE = """
import os, subprocess, sys, zipfile
with zipfile.ZipFile("torch.whl") as torch:
    wanted = [name for name in torch.namelist() if name.startswith(("torch/include/", "torch/lib/lib"))]
    torch.extractall("tree", wanted)
place = os.path.abspath("tree/torch")
command = ["aarch64-linux-gnu-g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-o", "_C.so", "any_torch.cpp"]
command += [f"-ffile-prefix-map={os.getcwd()}=/source", f"-I{place}/include", f"-L{place}/lib"]
command += [f"-I{place}/include/torch/csrc/api/include", "-Wl,--allow-shlib-undefined"]
subprocess.check_call([*command, "-ltorch_cpu", "-ltorch", "-lc10"])
tag = "cp311-cp311-linux_aarch64"
info = "any_torch-1.0.dist-info"
os.makedirs("dist")
with zipfile.ZipFile(f"dist/any_torch-1.0-{tag}.whl", "w") as wheel:
    wheel.write("_C.so", "any_torch/_C.so")
    wheel.write("init.py", "any_torch/__init__.py")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: any-torch\\nVersion: 1.0\\n"
                   f"Requires-Dist: torch=={sys.argv[1]}\\n")
    wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}\\n")
    rows = [*wheel.namelist(), f"{info}/RECORD"]
    wheel.writestr(f"{info}/RECORD", "".join(f"{row},,\\n" for row in rows))
"""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A torch, and the wheel that was built against it."""

    torch: WheelInput
    extension: WheelInput


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    root = tmp_path_factory.mktemp("any-torch")
    store = Store(root / "store")
    commit(root / "servers/any.git", {"any_torch.cpp": _CODE, "init.py": _INIT, "make.py": _MAKE})
    made = {}
    for version in TORCHES:
        found = fetched("torch", version)
        path = Store(default_root()).path(found.sha256)
        store.add(path)
        torch = WheelInput(path=path, filename=found.filename)
        made[version] = Pair(torch=torch, extension=built_against(found, store, root))
    return made


def fetched(name: str, version: str) -> FoundFile:
    """Have a wheel of the index in this user's store."""
    http = Http()
    found = Finder(http).find_file(name, version, TARGET)
    wanted = Download.of(found.artifact, urls=(found.url,))
    fetch_all([wanted], Store(default_root()), http=http)
    return found


def built_against(torch: FoundFile, store: Store, root: Path) -> WheelInput:
    """Build the extension against one torch, whose wheel the build gets by its URL."""
    url = f"https://index.test/{torch.filename}"
    mirrors = Mirrors(prefixes={"https://hub.test/": f"file://{root}/servers/"})
    cell = Cell(stack="test", target=TARGET, cann="8.5.0", components={"torch": torch.version, "sglang": "1"})
    spec = BuildTable.model_validate(
        {
            "steps": [["wget", "-q", "-O", "torch.whl", url], ["python3", "make.py", "{torch}"]],
            "distributions": ["any-torch"],
            "downloads": [{"url": url, "sha256": torch.sha256}],
            "repair": {"needs": ["libc10.so", "libtorch.so", "libtorch_cpu.so"]},
        }
    ).resolve(cell, "1.0")
    job = BuildJob(
        component="any-torch",
        version="1.0",
        machine="aarch64",
        python="3.11",
        spec=spec,
        sources=Sources(tree=pin("https://hub.test/any.git", "main", store=store, mirrors=mirrors)),
    )
    rooted = toolchain(spec)
    builder = Builder(
        store=store, sandbox=rooted, emit=silent, interpreter=lambda _python: rooted.interpreter("3.11")
    )
    (wheel,) = builder.build(job, rooted.toolchain())
    return WheelInput(path=store.path(wheel.sha256), filename=wheel.filename)


def toolchain(spec: BuildSpec) -> Rooted:
    """Return the sandbox of a toolchain of ours."""
    store = Store(default_root())
    own = own_toolchains(PROJECT, Fetcher(recipes={}, store=store))
    return own.rooted(spec, TARGET)


def unresolved(torch: WheelInput, extension: WheelInput) -> list[Finding]:
    """Return what the audit says of the extension's libraries and symbols."""
    report = audit_wheels([torch, extension], AuditPolicy(target=TARGET))
    return [one for one in report.findings if one.check == "link-closure" and "any_torch" in str(one)]


@pytest.mark.parametrize("version", TORCHES)
def test_a_wheel_built_against_a_torch_loads_beside_it(version: str, pairs: dict[str, Pair]) -> None:
    assert unresolved(pairs[version].torch, pairs[version].extension) == []


@pytest.mark.parametrize("version", TORCHES)
def test_a_wheel_built_against_another_torch_does_not(version: str, pairs: dict[str, Pair]) -> None:
    findings = unresolved(pairs[version].torch, pairs[OTHER[version]].extension)
    assert any("c10::TensorImpl::" in str(one) for one in findings)


@pytest.fixture(scope="module")
def imports(pairs: dict[str, Pair], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """Import each extension beside its own torch, then load the one that was built against the other."""
    typing = Store(default_root()).path(fetched("typing-extensions", "4.15.0").sha256)
    root = system_root(TARGET.machine, "3.11", default_root())
    done = {}
    for version in TORCHES:
        pair, work = pairs[version], tmp_path_factory.mktemp(version)
        for wheel in (pair.torch.path, typing):
            unpack(wheel, work / "site")
        for built_for, any_pair in pairs.items():
            unpack(any_pair.extension.path, work / built_for)
        launcher = emulation.EmulatedLauncher(machine=TARGET.machine, root=root, work=work)
        done[version] = imported(launcher, own=work / version, foreign=work / OTHER[version])
        shutil.rmtree(work)
    return done


def unpack(wheel: Path, folder: Path) -> None:
    """Put a wheel's files where they are imported from, without headers."""
    with zipfile.ZipFile(wheel) as opened:
        names = [name for name in opened.namelist() if not name.startswith("torch/include/")]
        opened.extractall(folder, names)


def imported(launcher: emulation.EmulatedLauncher, *, own: Path, foreign: Path) -> Finished:
    """Run `_IMPORT` on the emulated machine."""
    paths = [launcher.inside(path) for path in (own, foreign / "any_torch" / "_C.so")]
    words = ["/usr/bin/python3.11", "-W", "ignore", "-c", _IMPORT, *paths]
    environment = {"PYTHONPATH": launcher.inside(launcher.work / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    return run(launcher.command(words, environment, network=False), check=False, timeout=600)


@pytest.mark.parametrize("version", TORCHES)
def test_a_wheel_imports_beside_its_own_torch_and_its_operator_runs(
    version: str, imports: dict[str, Finished]
) -> None:
    assert imports[version].status == 0, imports[version].stderr
    assert imports[version].stdout.splitlines()[0] == f"aarch64 {version} [0, 2, 4]"


@pytest.mark.parametrize("version", TORCHES)
def test_a_wheel_runs_on_the_oldest_nodes(version: str, pairs: dict[str, Pair]) -> None:
    """The compiler is newer than their C++ library, and the host newer than their C library."""
    _, _, _, tags = parse_wheel_filename(pairs[version].extension.filename)
    assert {tag.platform for tag in tags} & set(TARGET.platforms) - {"linux_aarch64"}


@pytest.mark.parametrize("version", TORCHES)
def test_beside_the_other_torch_it_fails_with_a_symbol_that_the_audit_had_named(
    version: str, imports: dict[str, Finished], pairs: dict[str, Pair]
) -> None:
    said = imports[version].stdout.splitlines()[1]
    _, _, symbol = said.partition("undefined symbol: ")
    findings = unresolved(pairs[version].torch, pairs[OTHER[version]].extension)
    assert f"mangled: {symbol}" in [line for one in findings for line in one.details]
