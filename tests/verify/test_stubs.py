from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_wheelhouse.node.host.symbols import NotElfError, read_object
from ascend_wheelhouse.node.verify.stubs import ERROR_CODE, build_stubs, plan_stubs

TORCH = "int _ZN2at3addEi(int x) { return x; }\n"
NPU = """
extern int aclInit(void);
extern const char *aclGetRecentErrMsg(void);
extern int _ZN2at3addEi(int);
extern int _ZN3c106NoSuchEv(void) ;
extern int PyLong_Check(void);
extern double sqrt(double);
int start(double x) { return aclInit() + (aclGetRecentErrMsg() != 0) + (int)sqrt(x); }
int mismatch(void) { return _ZN2at3addEi(1) + _ZN3c106NoSuchEv() + PyLong_Check(); }
"""


def compile_object(path: Path, source: str, *words: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", str(path), "-x", "c", "-", "-x", "none", *words],
        input=source,
        text=True,
        check=True,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    compile_object(tmp_path / "torch/lib/libtorch.so", TORCH, "-Wl,-soname,libtorch.so")
    empty = tmp_path / "libascendcl.so"
    compile_object(empty, "", "-Wl,-soname,libascendcl.so")
    words = ("-Wl,--no-as-needed", str(empty), "-lm", str(tmp_path / "torch/lib/libtorch.so"))
    compile_object(tmp_path / "torch_npu/lib/libtorch_npu.so", NPU, *words)
    return tmp_path


def test_an_objects_facts_are_read(site: Path) -> None:
    found = read_object(site / "torch_npu/lib/libtorch_npu.so")
    assert found.machine == os.uname().machine
    assert found.needed[0] == "libascendcl.so"
    assert {"start", "mismatch"} <= found.defined
    assert "aclInit" in found.wanted
    assert "sqrt" not in found.wanted  # versioned: the system's


@pytest.mark.parametrize("size", [0, 3, 40, 600])
def test_a_truncated_object_is_refused(site: Path, size: int) -> None:
    path = site / "torch/lib/libtorch.so"
    os.truncate(path, size)
    with pytest.raises(NotElfError):
        read_object(path)


def test_only_what_is_left_to_cann_is_planned(site: Path) -> None:
    plan = plan_stubs(site)
    assert plan is not None
    assert plan.functions == ("aclGetRecentErrMsg", "aclInit")
    assert plan.sonames == ("libascendcl.so", "libopapi.so")


def test_a_symbol_of_torchs_namespaces_is_told_and_never_stood_in_for(site: Path) -> None:
    plan = plan_stubs(site)
    assert plan is not None
    assert plan.torch_missing == ("_ZN3c106NoSuchEv",)


def test_without_torch_npu_there_is_no_plan(tmp_path: Path) -> None:
    assert plan_stubs(tmp_path) is None


def test_the_libraries_load_and_answer_with_an_error(site: Path, tmp_path: Path) -> None:
    plan = plan_stubs(site)
    assert plan is not None
    build_stubs(plan, tmp_path / "stubs", "gcc")
    code = (
        f"import ctypes; lib = ctypes.CDLL('{tmp_path}/stubs/libascendcl.so'); print(lib.aclInit());"
        "lib.aclGetRecentErrMsg.restype = ctypes.c_char_p; print(lib.aclGetRecentErrMsg())"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        env={"LD_LIBRARY_PATH": str(tmp_path / "stubs")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{ERROR_CODE}\nb'stub'\n"
