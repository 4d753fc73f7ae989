"""Stand-ins for upstreams that cannot be reached here, built the way the real ones are.

`torch_npu` keeps the traps of Ascend/pytorch: `ci/build.sh --python=X.Y` that wants `python3.11` on PATH, stub
libraries compiled in the tree, a code generator in a submodule of a submodule, a version with `+git<sha>`, an
auditwheel step behind AUDITWHEEL_PLAT, the first wheel of `dist/`, and a header fetched with wget on every run.
`kernels` keeps those of sgl-kernel-npu: `build.sh -a TARGET SOC`, `set_env.sh` sourced beside CANN's home, headers of
aarch64 by default, `-j 16`, and a repository cloned where its `.git` is absent.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from upstreams import add_submodule, commit, git

from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.origins.mirrors import Mirrors

HEADER_URL = "https://files.test/raw/v2.6.0/miniz.h"
HEADER = b"#define MINIZ_VERSION 302\n"
HEADER_SHA256 = hashlib.sha256(HEADER).hexdigest()

_CI_BUILD = """#!/bin/bash
set -e
PY_VERSION=3.10
for word in "$@"; do
  case $word in --python=*) PY_VERSION=${word#--python=} ;; *) exit 2 ;; esac
done
cd "$(dirname "$0")/.."
python"${PY_VERSION}" setup.py build bdist_wheel
"""
_SETUP = """
import glob, hashlib, os, shutil, subprocess, sys
from setuptools import Extension, setup

BASE = os.path.dirname(os.path.realpath(__file__))
VERSION = open(os.path.join(BASE, "version.txt")).read().strip()
sha = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=BASE).decode().strip()
if os.getenv("BUILD_WITHOUT_SHA") is None:
    VERSION += "+git" + sha[:7]
if not os.listdir(os.path.join(BASE, "third_party/op-plugin")):
    subprocess.check_call(["git", "submodule", "update", "--init", "--recursive"], cwd=BASE)

third = os.path.join(BASE, "third_party/miniz")
shutil.rmtree(third, ignore_errors=True)
os.makedirs(third)
header = os.path.join(third, "miniz.h")
subprocess.check_call([shutil.which("wget"), "HEADER_URL", "--no-check-certificate", "-O", header])
assert hashlib.sha256(open(header, "rb").read()).hexdigest() == "HEADER_SHA256"

subprocess.check_call(["sh", os.path.join(BASE, "third_party/acl/libs/build_stub.sh")])
subprocess.check_call(["bash", os.path.join(BASE, "generate_code.sh"), sys.executable, VERSION])
with open(os.path.join(BASE, "torch_npu/version.py"), "w") as out:
    out.write(f"__version__ = {VERSION!r}\\ngit_version = {sha!r}\\n")

places = dict(
    include_dirs=[third, "generated"], library_dirs=["third_party/acl/libs"], libraries=["hccl"],
    extra_link_args=["-Wl,-z,now", "-Wl,-rpath,$ORIGIN/lib"],
)
sources = ["torch_npu/csrc/init.cpp", "generated/register.cpp"]
try:
    from torch.utils.cpp_extension import BuildExtension, CppExtension
except ImportError:
    extension, commands = Extension("torch_npu._C", sources, **places), {}
else:
    places["define_macros"] = [("WITH_TORCH", "1")]
    places["include_dirs"] = [os.path.join(BASE, name) for name in ("third_party/miniz", "generated")]
    places["library_dirs"] = [os.path.join(BASE, "third_party/acl/libs")]
    extension = CppExtension("torch_npu._C", sources, **places)
    commands = {"build_ext": BuildExtension}

setup(
    name="torch_npu", version=VERSION, packages=["torch_npu"], ext_modules=[extension], cmdclass=commands,
)
if os.getenv("AUDITWHEEL_PLAT", "").startswith("manylinux"):
    found = glob.glob(os.path.join(BASE, "dist/*linux*.whl"))[0]
    subprocess.check_call(["auditwheel", "repair", "-w", os.path.join(BASE, "dist"), found])
    os.remove(found)
"""
_INIT = """
#ifdef WITH_TORCH
#include <torch/extension.h>
#else
#include <Python.h>
#endif
#include <miniz.h>
#include "register.h"
extern "C" int HcclGetRankId(void);
static const char *built_from = __FILE__;

#ifdef WITH_TORCH
static at::Tensor twice(const at::Tensor &x) { return x * operators(); }
PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
    m.def("twice", &twice);
    m.attr("source") = built_from;
    m.def("rank", &HcclGetRankId);
}
#else
static PyObject *rank(PyObject *, PyObject *) { return PyLong_FromLong(HcclGetRankId() + MINIZ_VERSION); }
static PyMethodDef methods[] = {{"rank", rank, METH_NOARGS, built_from}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C", nullptr, operators(), methods};
PyMODINIT_FUNC PyInit__C(void) { return PyModule_Create(&module); }
#endif
"""
_GENERATE = """#!/bin/bash
set -e
cd "$(dirname "$0")"
mkdir -p generated
"$1" third_party/op-plugin/codegen/gen.py --version "$2" --out generated
"""
_GEN = """
import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("--version"); parser.add_argument("--out")
options = parser.parse_args()
here = os.path.dirname(os.path.abspath(__file__))
names = sorted(os.listdir(os.path.join(here, "../deps/operators")))
count = sum(name.endswith(".yaml") for name in names)
with open(os.path.join(options.out, "register.h"), "w") as out:
    out.write("int operators(void);\\n")
with open(os.path.join(options.out, "register.cpp"), "w") as out:
    out.write(f"// {options.version}\\nint operators(void) {{ return {count}; }}\\n")
"""
_STUB = """#!/bin/sh
set -e
cd "$(dirname "$0")"
gcc -fPIC -shared -o libhccl.so -Wl,-soname,libhccl.so hccl.c
"""


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A repository in the place of a real one, the commit of its release, and the redirections that lead to it."""

    top: Path
    mirrors: Mirrors
    release: str = ""


def torch_npu(servers: Path, *, version: str = "2.8.0.post2", later: str = "") -> StandIn:
    """Make the stand-in for Ascend/pytorch, with two nested submodules on another host.

    Args:
        servers: Where the repositories go.
        version: The release.
        later: The version that the release's branch has gone on to, if it has.
    """
    operators, plugin, top = (
        servers / name for name in ("code/operators.git", "code/op-plugin.git", "hub/pytorch.git")
    )
    commit(operators, {"abs.yaml": "abs\n", "add.yaml": "add\n"})
    commit(plugin, {"codegen/gen.py": _GEN})
    add_submodule(plugin, "../operators.git", "deps/operators", operators)
    commit(plugin, {"README.md": "plugin\n"})
    setup = _SETUP.replace("HEADER_URL", HEADER_URL).replace("HEADER_SHA256", HEADER_SHA256)
    commit(
        top,
        {
            "version.txt": f"{version}\n",
            "ci/build.sh": _CI_BUILD,
            "setup.py": setup,
            "generate_code.sh": _GENERATE,
            "torch_npu/__init__.py": "from torch_npu.version import __version__\n",
            "torch_npu/csrc/init.cpp": _INIT,
            "third_party/acl/libs/build_stub.sh": _STUB,
            "third_party/acl/libs/hccl.c": "int HcclGetRankId(void) { return 500000; }\n",
            "dist/old-1.0-cp311-cp311-linux_x86_64.whl": "left over\n",
        },
    )
    add_submodule(top, "https://code.test/Ascend/op-plugin.git", "third_party/op-plugin", plugin)
    release = commit(top, {"README.md": "stand-in\n"})
    branch = f"v{version.partition('.post')[0]}-7.3.0"
    git(top, "branch", branch)
    if later:
        git(top, "checkout", "--quiet", branch)
        commit(top, {"version.txt": f"{later}\n"})
        git(top, "checkout", "--quiet", "main")
    return StandIn(top=top, mirrors=_mirrors(servers), release=release)


def _mirrors(servers: Path) -> Mirrors:
    (servers / "files/raw/v2.6.0").mkdir(parents=True, exist_ok=True)
    (servers / "files/raw/v2.6.0/miniz.h").write_bytes(HEADER)
    return Mirrors(
        prefixes={
            "https://github.com/Ascend/": f"file://{servers}/hub/",
            "https://github.com/sgl-project/": f"file://{servers}/hub/",
            "https://code.test/Ascend/": f"file://{servers}/code/",
            "https://gitcode.com/cann/": f"file://{servers}/code/",
            "https://files.test/": f"file://{servers}/files/",
        }
    )


_BUILD = """#!/bin/bash
set -e
MODULE=""
while getopts ":a:" opt; do MODULE=$OPTARG; done
shift $((OPTIND -1))
SOC_VERSION="${1:-Ascend910_9382}"
if [ -n "$ASCEND_INCLUDE_DIR" ]; then
    ASCEND_INCLUDE_DIR=$ASCEND_INCLUDE_DIR
else
    ASCEND_INCLUDE_DIR=${ASCEND_HOME_PATH}/aarch64-linux/include
fi
source $(dirname ${ASCEND_HOME_PATH})/set_env.sh
VERSION="1.0.0"
OUTPUT_DIR=$(pwd)/output
[ ! -e "$OUTPUT_DIR" ] || exit 9
mkdir -p $OUTPUT_DIR
cmake -DSOC_VERSION=$SOC_VERSION -DASCEND_HOME_PATH=$ASCEND_HOME_PATH -DASCEND_INCLUDE_DIR=$ASCEND_INCLUDE_DIR \\
  -DMODULE=$MODULE -DCMAKE_INSTALL_PREFIX=$OUTPUT_DIR -B build -S .
cmake --build build --target install -j 16
if [ "$MODULE" = deepep ]; then csrc/deepep/ops/build.sh; fi
if pip3 show wheel; then echo "wheel has been installed"; else pip3 install wheel==0.45.1; fi
NAME=deep_ep; [ "$MODULE" = kernels ] && NAME=sgl_kernel_npu
cp -v $OUTPUT_DIR/lib/* python/$NAME/$NAME/
cd python/$NAME
python3 setup.py bdist_wheel
mv -v dist/$NAME*.whl $OUTPUT_DIR/
"""
_OPS = """#!/bin/bash
CATLASS_DIR="$(realpath $(dirname $0))/third_party/catlass"
if [[ ! -d "${CATLASS_DIR}/.git" ]]; then
    git clone https://gitcode.com/cann/catlass.git "${CATLASS_DIR}" || exit 1
fi
WANTED=$(git -C $CATLASS_DIR rev-parse -q --verify 'catlass-v1-stable^{commit}')
[ "$(git -C $CATLASS_DIR rev-parse HEAD)" = "$WANTED" ]
"""
_CMAKE = """
cmake_minimum_required(VERSION 3.20)
project(sgl_kernel_npu CXX)
add_library(kernel SHARED csrc/kernel.cpp)
target_include_directories(kernel PRIVATE ${ASCEND_INCLUDE_DIR})
target_compile_definitions(kernel PRIVATE SOC="${SOC_VERSION}" MODULE="${MODULE}")
target_link_directories(kernel PRIVATE ${ASCEND_HOME_PATH}/runtime/lib64/stub)
target_link_libraries(kernel PRIVATE ascendcl)
set_target_properties(kernel PROPERTIES PREFIX "" OUTPUT_NAME "kernel")
install(TARGETS kernel LIBRARY DESTINATION lib)
"""
_KERNEL = """
#include <acl/acl.h>
extern "C" const char *sgl_soc(void) { return SOC "/" MODULE; }
extern "C" int sgl_init(void) { return aclInit(ACL_MACHINE); }
"""
_KERNEL_SETUP = """
import os, subprocess
from setuptools import setup
from setuptools.dist import Distribution
class Binary(Distribution):
    def has_ext_modules(self):
        return True
revision = subprocess.check_output(["git", "rev-parse", "--short=8", "HEAD"]).strip().decode()
version = os.getenv("VERSION", "1.0.0")
if os.path.exists("NAME/config.ini"):
    version = open("NAME/config.ini").read().split()[-1]
setup(name="NAME", version=version + "+" + revision, packages=["NAME"],
      package_data={"NAME": ["*.so"]}, distclass=Binary)
"""


def kernels(servers: Path, *, config: str = "2026.1.21") -> StandIn:
    """Make the stand-in for sgl-kernel-npu, with catlass beside it; `config` is the version that its config.ini has."""
    catlass, top = servers / "code/catlass.git", servers / "hub/sgl-kernel-npu.git"
    commit(catlass, {"include/catlass.hpp": "// catlass\n"})
    git(catlass, "branch", "catlass-v1-stable")
    packages = {
        f"python/{name}/{file}": text.replace("NAME", name)
        for name in ("deep_ep", "sgl_kernel_npu")
        for file, text in {"setup.py": _KERNEL_SETUP, f"{name}/__init__.py": "", f"{name}/.keep": ""}.items()
    }
    files = {
        "python/sgl_kernel_npu/sgl_kernel_npu/config.ini": f"[global]\nversion = {config}\n",
        "CMakeLists.txt": _CMAKE,
        "build.sh": _BUILD,
        "csrc/kernel.cpp": _KERNEL,
        "csrc/deepep/ops/build.sh": _OPS,
    }
    commit(top, files | packages)
    git(top, "tag", "2026.01.21")
    return StandIn(top=top, mirrors=_mirrors(servers))


def cann(folder: Path, version: str = "8.5.0") -> Path:
    """Make a small CANN tree of headers and stub libraries, and return its home."""
    home = folder / f"cann-{version}"
    stub = home / "runtime/lib64/stub"
    stub.mkdir(parents=True)
    for number, machine in enumerate(("aarch64", "x86_64"), start=1):
        include = home / f"{machine}-linux/include/acl"
        include.mkdir(parents=True)
        text = f'#define ACL_MACHINE {number}\nextern "C" int aclInit(int);\n'
        (include / "acl.h").write_text(text, encoding="utf-8")
        info = (
            f"package_name=Ascend-cann-toolkit\nversion={version}\ninnerversion=V100R001C25\narch={machine}\n"
        )
        (home / f"{machine}-linux/ascend_toolkit_install.info").write_text(info, encoding="utf-8")
    source = stub / "acl.c"
    source.write_text("int aclInit(int machine) { return machine; }\n", encoding="utf-8")
    library = stub / "libascendcl.so"
    run(["gcc", "-shared", "-fPIC", "-Wl,-soname,libascendcl.so", "-o", library, source])
    (home / "set_env.sh").write_text("export ASCEND_OPP_PATH=${ASCEND_HOME_PATH}/opp\n", encoding="utf-8")
    return home
