"""A stand-in for Ascend/pytorch of its size: submodules, generated code, stub libraries, cmake, thousands of files.

Its shape follows Ascend/pytorch: `setup.py@005c36ac` and later ones (`build_clib` that calls cmake and then builds, the
generator and the stubs run by setup.py itself on every run), `ci/build.sh`, op-plugin as a submodule with another one
in it. The translation units are written by the generator, each small; what they compute is checked by importing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from upstreams import add_submodule, commit, git

_CI_BUILD = """#!/bin/bash
set -e
for word in "$@"; do case $word in --python=*) PY_VERSION=${word#--python=} ;; *) exit 2 ;; esac; done
cd "$(dirname "$0")/.."
python"${PY_VERSION}" setup.py build bdist_wheel
"""
_SETUP = """
import importlib.util, os, subprocess, sys, sysconfig
from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

BASE = os.path.dirname(os.path.realpath(__file__))
VERSION = open(os.path.join(BASE, "version.txt")).read().strip()
if os.getenv("BUILD_WITHOUT_SHA") is None:
    VERSION += "+git"
LIB = os.path.join(BASE, "torch_npu/lib")
JOBS = os.getenv("MAX_JOBS", str(os.cpu_count()))

class Library(build_clib):
    def run(self):
        place = os.path.join(BASE, "build/Release")
        os.makedirs(place, exist_ok=True)
        os.makedirs(LIB, exist_ok=True)
        words = ["cmake", BASE, "-GNinja", "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={LIB}"]
        if torch := importlib.util.find_spec("torch"):
            words.append(f"-DTORCH_HEADERS={os.path.dirname(torch.origin)}/include")
        subprocess.check_call(words, cwd=place)
        print("compiling with", JOBS, "jobs", flush=True)
        subprocess.check_call(["cmake", "--build", ".", "-j", JOBS], cwd=place)

class Python(build_py):
    def run(self):
        self.run_command("build_clib")
        super().run()

class Bindings(build_ext):
    def run(self):
        self.run_command("build_clib")
        super().run()

subprocess.check_call(["bash", os.path.join(BASE, "generate_code.sh"), sys.executable, VERSION])
subprocess.check_call(["sh", os.path.join(BASE, "third_party/acl/libs/build_stub.sh")])
with open(os.path.join(BASE, "torch_npu/version.py"), "w") as out:
    out.write(f"__version__ = {VERSION!r}\\n")
setup(
    name="torch_npu", version=VERSION, packages=["torch_npu"], libraries=[("torch_npu", {"sources": []})],
    package_data={"torch_npu": ["lib/*.so"]},
    ext_modules=[Extension(
        "torch_npu._C", ["torch_npu/csrc/init.cpp"], libraries=["torch_npu"], library_dirs=[LIB],
        extra_link_args=["-Wl,-z,now", "-Wl,-rpath,$ORIGIN/lib"],
    )],
    cmdclass={"build_clib": Library, "build_ext": Bindings, "build_py": Python},
)
"""
_CMAKE = """
cmake_minimum_required(VERSION 3.18)
project(TORCHNPU CXX)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_SKIP_RPATH ON)
file(GLOB UNITS ${CMAKE_SOURCE_DIR}/generated/*.cpp)
add_library(torch_npu SHARED torch_npu/csrc/core.cpp ${UNITS})
target_include_directories(torch_npu PRIVATE generated)
if(TORCH_HEADERS)
  set_target_properties(torch_npu PROPERTIES CXX_STANDARD 20)
  target_include_directories(torch_npu SYSTEM PRIVATE ${TORCH_HEADERS} ${TORCH_HEADERS}/torch/csrc/api/include)
endif()
target_link_directories(torch_npu PRIVATE third_party/acl/libs)
target_link_libraries(torch_npu PRIVATE hccl)
"""
_GENERATE = """#!/bin/bash
set -e
cd "$(dirname "$0")"
mkdir -p generated
"$1" third_party/op-plugin/codegen/gen.py --version "$2" --out generated
"""
_GENERATOR = """
import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("--version"); parser.add_argument("--out")
options = parser.parse_args()
here = os.path.dirname(os.path.abspath(__file__))
names = open(os.path.join(here, "../deps/operators/operators.yaml")).read().split()
UNIT = open(os.path.join(here, "unit.tmpl")).read()
def put(path, text):
    with open(os.path.join(options.out, path), "w") as out:
        print(text, file=out)
put("operators.h", " ".join(f"long {name}(long);" for name in names))
for number, name in enumerate(names):
    put(f"{name}.cpp", UNIT.replace("NAME", name).replace("NUMBER", str(number)))
put("table.cpp", UNIT.splitlines()[0] + os.linesep + "long (*const table[])(long) = {" + ", ".join(names) + "};"
    + f" int operators(void) {{ return {len(names)}; }}")
"""
_UNIT = """#include "operators.h"
template <int N> struct Deep { static long value(long x) { return Deep<N - 1>::value(x * 31 + N) % 1000003; } };
template <> struct Deep<0> { static long value(long x) { return x; } };
long NAME(long x) { return Deep<20>::value(x) + NUMBER; }
"""
_CORE = """
extern "C" int HcclGetRankId(void);
int operators(void);
extern "C" int npu_operators(void) { return operators(); }
extern "C" int npu_rank(void) { return HcclGetRankId(); }
extern "C" int npu_edition(void) { return EDITION; }
"""
_TORCH = """
#include <ATen/ATen.h>
#include <torch/library.h>
static_assert(sizeof(at::Tensor) == sizeof(void *), "a tensor is a pointer");
"""
_INIT = """
#include <Python.h>
extern "C" int npu_operators(void);
extern "C" int npu_edition(void);
static PyObject *count(PyObject *, PyObject *) { return PyLong_FromLong(npu_operators()); }
static PyObject *edition(PyObject *, PyObject *) { return PyLong_FromLong(npu_edition()); }
static PyMethodDef methods[] = {
    {"operators", count, METH_NOARGS, ""}, {"edition", edition, METH_NOARGS, ""}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C", nullptr, -1, methods};
PyMODINIT_FUNC PyInit__C(void) { return PyModule_Create(&module); }
"""
_STUB = """#!/bin/sh
set -e
cd "$(dirname "$0")"
gcc -fPIC -shared -o libhccl.so -Wl,-soname,libhccl.so hccl.c
"""


@dataclass(frozen=True, kw_only=True)
class BigStandIn:
    """The repositories: the top one, and the bundles that hold everything of all of them."""

    top: Path
    repositories: tuple[Path, ...]
    commit: str
    core: str = _CORE

    def bundles(self, folder: Path) -> list[Path]:
        """Write a git bundle of each repository."""
        made = []
        for place in self.repositories:
            path = folder / f"{place.stem}.bundle"
            git(place, "bundle", "create", "--quiet", str(path), "HEAD")
            made.append(path)
        return made

    def top_commit(self) -> str:
        """Return the commit that is there now."""
        return git(self.top, "rev-parse", "HEAD")

    def changed(self, edition: int) -> str:
        """Change one file of the library, and return the commit."""
        return commit(self.top, {"torch_npu/csrc/core.cpp": self.core.replace("EDITION", str(edition))})


def big_torch_npu(
    servers: Path, units: int, *, version: str = "2.8.0.post2", torch: bool = False
) -> BigStandIn:
    """Make the repositories.

    Args:
        servers: Where to.
        units: How many generated translation units the library has.
        version: The version of the project.
        torch: Have the file that `changed` changes include torch's headers, as every unit of torch_npu does; torch
            must be in the build environment.
    """
    core = f"{_TORCH}{_CORE}" if torch else _CORE
    operators, plugin, top = (servers / f"{name}.git" for name in ("operators", "op-plugin", "pytorch"))
    commit(operators, {"operators.yaml": "".join(f"op_{number:04}\n" for number in range(units - 2))})
    commit(plugin, {"codegen/gen.py": _GENERATOR, "codegen/unit.tmpl": _UNIT})
    add_submodule(plugin, "https://code.test/Ascend/operators.git", "deps/operators", operators)
    commit(plugin, {"README.md": "plugin\n"})
    commit(
        top,
        {
            "version.txt": f"{version}\n",
            "ci/build.sh": _CI_BUILD,
            "setup.py": _SETUP,
            "CMakeLists.txt": _CMAKE,
            "generate_code.sh": _GENERATE,
            "torch_npu/__init__.py": "from torch_npu.version import __version__\n",
            "torch_npu/csrc/init.cpp": _INIT,
            "torch_npu/csrc/core.cpp": core.replace("EDITION", "1"),
            "third_party/acl/libs/build_stub.sh": _STUB,
            "third_party/acl/libs/hccl.c": "int HcclGetRankId(void) { return 500000; }\n",
        },
    )
    add_submodule(top, "https://code.test/Ascend/op-plugin.git", "third_party/op-plugin", plugin)
    return BigStandIn(
        top=top,
        repositories=(top, plugin, operators),
        commit=commit(top, {"README.md": "stand-in\n"}),
        core=core,
    )
