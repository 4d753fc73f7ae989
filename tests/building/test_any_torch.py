"""One extension for several torch versions of the other machine: each wheel loads beside its own torch.

Compiled with Debian's cross compiler, in the sandbox, against torch's own wheels of the index; judged by the audit's
link closure, which names each symbol that a torch lacks.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from upstreams import commit

from ascend_wheelhouse.audit.policy import AuditPolicy
from ascend_wheelhouse.audit.report import Finding
from ascend_wheelhouse.audit.runner import WheelInput, audit_wheels
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.job import BuildJob, Sources
from ascend_wheelhouse.build.sandbox import find_sandbox
from ascend_wheelhouse.build.spec import BuildTable
from ascend_wheelhouse.build.toolchain import find_toolchain
from ascend_wheelhouse.cell import Cell
from ascend_wheelhouse.events import silent
from ascend_wheelhouse.fetch import fetch_all
from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, FoundFile
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store import Store
from ascend_wheelhouse.target import Target
from ascend_wheelhouse.transfer import Download

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("aarch64-linux-gnu-g++") is None, reason="needs g++-aarch64-linux-gnu"),
]

TARGET = Target(machine="aarch64", glibc=(2, 36))
TORCHES = ("2.7.1", "2.8.0")
_CODE = """
#include <torch/library.h>
#include <c10/core/TensorImpl.h>
// refresh_contiguous is inlined from torch's own header, and what it calls changed between 2.7 and 2.8.
struct Impl : c10::TensorImpl { using c10::TensorImpl::TensorImpl; void touch() { refresh_contiguous(); } };
extern "C" void any_torch_touch(Impl *impl) { impl->touch(); }
static at::Tensor twice(const at::Tensor &x) { return x.add(x); }
TORCH_LIBRARY(any_torch, m) { m.def("twice(Tensor x) -> Tensor", &twice); }
extern "C" void *PyInit__C(void) { return nullptr; }
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
    wheel.writestr("any_torch/__init__.py", "import torch\\nfrom any_torch import _C\\n")
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
    commit(root / "servers/any.git", {"any_torch.cpp": _CODE, "make.py": _MAKE})
    finder, http = Finder(Http()), Http()
    made = {}
    for version in TORCHES:
        found = finder.find_file("torch", version, TARGET)
        wanted = Download(filename=found.filename, sha256=found.sha256, size=found.size, urls=(found.url,))
        fetch_all([wanted], store, http=http)
        built = built_against(found, store, root)
        torch = WheelInput(path=store.path(found.sha256), filename=found.filename)
        made[version] = Pair(torch=torch, extension=built)
    return made


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
    ).resolve(cell)
    job = BuildJob(
        component="any-torch",
        version="1.0",
        machine="aarch64",
        python="3.11",
        spec=spec,
        sources=Sources(tree=pin("https://hub.test/any.git", "main", store=store, mirrors=mirrors)),
    )
    builder = Builder(store=store, sandbox=find_sandbox(), emit=silent, jobs=os.cpu_count() or 1)
    (wheel,) = builder.build(job, find_toolchain({}))
    return WheelInput(path=store.path(wheel.sha256), filename=wheel.filename)


def unresolved(torch: WheelInput, extension: WheelInput) -> list[Finding]:
    """Return what the audit says of the extension's libraries and symbols."""
    report = audit_wheels([torch, extension], AuditPolicy(target=TARGET))
    return [one for one in report.findings if one.check == "link-closure" and "any_torch" in str(one)]


@pytest.mark.parametrize("version", TORCHES)
def test_a_wheel_built_against_a_torch_loads_beside_it(version: str, pairs: dict[str, Pair]) -> None:
    assert unresolved(pairs[version].torch, pairs[version].extension) == []


def test_a_wheel_built_against_another_torch_does_not(pairs: dict[str, Pair]) -> None:
    findings = unresolved(pairs["2.8.0"].torch, pairs["2.7.1"].extension)
    assert any("compute_strides_like_channels_last" in str(one) for one in findings)
