"""A small wheelhouse of its own: the shapes of torch, torch_npu, triton-ascend and SGLang, each a few lines long."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from making_wheels import WheelDraft, compiler

from ascend_wheelhouse.audit.policy import AuditPolicy, policy_from_recipes
from ascend_wheelhouse.audit.report import AuditReport
from ascend_wheelhouse.audit.runner import audit_wheels
from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import Target

RECIPES = Path(__file__).parents[2] / "recipes"
TAG = "cp311-cp311-manylinux_2_28_{}"
C10 = """
#include <string>
namespace c10 { int name(std::string const* in) { return in != nullptr; } int count(int n) { return n + 1; } }
"""
NPU = """
#include <string>
namespace c10 { int name(std::string const*); int count(int); }
extern "C" int aclInit(const char*);
extern "C" int npu_start(int n, std::string const* s) { return c10::count(n) + aclInit("") + c10::name(s); }
"""
ACL = 'extern "C" int aclInit(const char*) { return 0; } extern "C" int aclFinalize() { return 0; }'
TRITON = 'extern "C" int triton_version() { return 32; }'
NPU_FLAGS = ("-Wl,--no-as-needed", "-L.", "-lc10", "-lascendcl", "-Wl,-rpath,$ORIGIN:$ORIGIN/../../torch/lib")


@cache
def compiled(
    name: str,
    source: str,
    flags: tuple[str, ...] = (),
    needs: tuple[tuple[str, str], ...] = (),
    machine: str = "x86_64",
) -> bytes:
    """Compile one library beside the libraries that it needs (name and source), each made the same way."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        for other, text in needs:
            (place / other).write_bytes(compiled(other, text, machine=machine))
        (place / "source.cpp").write_text(source)
        command = [
            compiler(machine) or "g++",
            "-shared",
            "-fPIC",
            "-O1",
            "-nostartfiles",
            f"-Wl,-soname,{name}",
        ]
        subprocess.run([*command, "-o", name, "source.cpp", *flags], check=True, cwd=place)
        return (place / name).read_bytes()


def npu_library(
    source: str = NPU,
    *,
    extra: tuple[str, ...] = (),
    needs: tuple[tuple[str, str], ...] = (),
    machine: str = "x86_64",
) -> bytes:
    """Compile the shape of libtorch_npu.so: it needs libc10.so of torch and libascendcl.so of CANN."""
    both = (("libc10.so", C10), ("libascendcl.so", ACL), *needs)
    return compiled("libtorch_npu.so", source, (*NPU_FLAGS, *extra), both, machine)


@dataclass(kw_only=True)
class Shop:
    """The wheelhouse before it is written, and what it is held to."""

    wheels: dict[str, WheelDraft]
    policy: AuditPolicy
    files: dict[str, bytes] = field(default_factory=dict)

    def audit(self, folder: Path) -> AuditReport:
        """Write every wheel and audit the folder."""
        for draft in self.wheels.values():
            draft.write(folder)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        return audit_wheels(sorted(folder.glob("*.whl")), self.policy)

    def hold_to(self, **changes: object) -> None:
        """Change what the wheelhouse is held to."""
        self.policy = replace(self.policy, **changes)  # type: ignore[arg-type]  # the caller names fields

    def add(self, name: str, files: dict[str, str | bytes], **fields: object) -> WheelDraft:
        """Add a wheel."""
        draft = WheelDraft(name=name, files=files, **fields)  # type: ignore[arg-type]  # the caller names fields
        self.wheels[name] = draft
        return draft


def policy_for(machine: str) -> AuditPolicy:
    """Return the policy of the project's own recipes."""
    table = load_compatibility(RECIPES)
    return policy_from_recipes(load_catalogue(RECIPES), table, Target.named(machine))


def open_shop(machine: str = "x86_64") -> Shop:
    """Return a wheelhouse in which nothing is wrong."""
    tag = TAG.format(machine)
    c10 = compiled("libc10.so", C10, machine=machine)
    shop = Shop(wheels={}, policy=policy_for(machine))
    shop.add(
        "torch", {"torch/__init__.py": "import sys\n", "torch/lib/libc10.so": c10}, version="2.8.0", tag=tag
    )
    npu: dict[str, str | bytes] = {
        "torch_npu/__init__.py": "import torch\nimport numpy\nimport yaml\n",
        "torch_npu/lib/libtorch_npu.so": npu_library(machine=machine),
    }
    shop.add("torch_npu", npu, version="2.8.0.post2", tag=tag, metadata=["Requires-Dist: torch==2.8.0"])
    vision: dict[str, str | bytes] = {"torchvision/__init__.py": "import torch\n"}
    shop.add("torchvision", vision, version="0.23.0", tag=tag, metadata=["Requires-Dist: torch==2.8.0"])
    triton: dict[str, str | bytes] = {
        "triton/__init__.py": "from . import backends\n",
        "triton/backends/__init__.py": "import importlib.util\n"
        "def load(path):\n    return importlib.util.spec_from_file_location(path, 'driver.py')\n",
        "triton/backends/ascend/driver.py": "import pybind11\n",
        "triton/_C/libtriton.so": compiled("libtriton.so", TRITON, machine=machine),
    }
    shop.add("triton_ascend", triton, version="3.2.0rc4", tag=tag)
    sglang: dict[str, str | bytes] = {
        "sglang/__init__.py": "",
        "sglang/launch_server.py": "import triton\nfrom sglang import server\n",
        "sglang/server.py": "import torch\n",
    }
    needs = [
        "Requires-Dist: numpy>=1",
        'Requires-Dist: pyyaml; sys_platform == "linux"',
        "Requires-Dist: pybind11[global]",
    ]
    shop.add("sglang", sglang, version="0.5.6.post2", metadata=needs)
    shop.add("numpy", {"numpy/__init__.py": ""}, version="1.26.4")
    shop.add("pyyaml", {"yaml/__init__.py": ""}, version="6.0")
    shop.add("pybind11", {"pybind11/__init__.py": ""}, version="3.0", metadata=["Provides-Extra: global"])
    return shop


def deep_ep_files() -> dict[str, str | bytes]:
    """Return what a wheel of deep-ep holds at the least: its package and its library."""
    return {
        "deep_ep/__init__.py": "",
        "deep_ep/deep_ep_cpp.cpython-311.so": compiled("deep_ep_cpp.so", 'extern "C" int ep() { return 1; }'),
    }
