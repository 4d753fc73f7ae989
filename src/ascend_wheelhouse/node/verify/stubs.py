"""Stand-in CANN libraries, so that `import torch_npu` can be checked on a machine that has no CANN.

They are made from what the installed wheels leave undefined: every function returns ACL's internal error
500000, so importing succeeds and using a device fails cleanly. A symbol of torch's namespaces is never
stood in for: a torch_npu that does not match its torch must stay visible. They live in a scratch folder of
one run and are never shipped.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..host.symbols import NotElfError, SharedObject, read_object

ERROR_CODE = 500000
COMPILERS = {
    "x86_64": ("x86_64-linux-gnu-gcc", "gcc", "cc", "clang"),
    "aarch64": ("aarch64-linux-gnu-gcc", "gcc", "cc", "clang"),
}

_SONAME = re.compile(
    r"^lib(hccl|ascendcl|acl\w*|ge_\w+|graph\w*|atb|fmk_parser|ascend\w*|opapi|nnopbase|msprofiler\w*|runtime)\.so$"
)
_OPENED_AT_RUN_TIME = ("libopapi.so",)
_TORCH = re.compile(r"^_Z(?:T[VISTWH]|GV)?N?[rVK]*(?:2at|3c10|5torch|6caffe2)")
_INTERPRETER = re.compile(r"^_?Py")
_STRINGS = {"aclGetRecentErrMsg": "stub", "aclrtGetSocName": "Ascend910_9382", "HcclGetErrorString": "stub"}


@dataclass(frozen=True, kw_only=True)
class StubPlan:
    """What to make: the sonames left to CANN and the functions that they must offer, both sorted."""

    machine: str
    sonames: tuple[str, ...]
    functions: tuple[str, ...]
    torch_missing: tuple[str, ...]


def plan_stubs(site_packages: Path, system: Sequence[Path] = ()) -> StubPlan | None:
    """Find what torch_npu leaves to CANN.

    Args:
        site_packages: The environment's packages.
        system: Folders of the system's libraries; a library that exists there is not stood in for, and what
            it defines is not either.

    Returns:
        The plan, or None when torch_npu is not installed there.
    """
    wanting = dict(_objects((site_packages / "torch_npu").rglob("*.so*")))
    if not wanting:
        return None
    offering = dict(_objects((site_packages / "torch" / "lib").glob("*.so*")))
    named = {soname for found in wanting.values() for soname in found.needed}
    present = dict(_objects(folder / soname for folder in system for soname in named))
    defined = set[str]().union(
        *(found.defined for found in (*wanting.values(), *offering.values(), *present.values()))
    )
    missing = {symbol for found in wanting.values() for symbol in found.wanted - defined}
    return StubPlan(
        machine=next(iter(wanting.values())).machine,
        sonames=tuple(sorted({*filter(_SONAME.match, named), *_OPENED_AT_RUN_TIME})),
        functions=tuple(
            sorted(name for name in missing if not _TORCH.match(name) and not _INTERPRETER.match(name))
        ),
        torch_missing=tuple(sorted(filter(_TORCH.match, missing))),
    )


def _objects(paths: Iterable[Path]) -> Iterator[tuple[Path, SharedObject]]:
    for path in paths:
        try:
            yield path, read_object(path)
        except (NotElfError, OSError):
            continue


def source(plan: StubPlan) -> str:
    """Return the C source of the functions.

    String functions must hand back a pointer or callers crash, and the chip's name must be one that torch_npu
    knows or it aborts the process (2.13; seen).
    """
    lines = ["/* stand-ins for import checks only */"]
    for name in plan.functions:
        if name in _STRINGS:
            lines.append(f'const char *{name}(void) {{ return "{_STRINGS[name]}"; }}')
        else:
            lines.append(f"int {name}(void) {{ return {ERROR_CODE}; }}")
    return "\n".join(lines) + "\n"


def build_stubs(plan: StubPlan, folder: Path, compiler: str) -> None:
    """Compile the plan into `folder`: one library with the functions, each soname an empty one that needs it.

    Raises:
        subprocess.CalledProcessError: The compiler refused; its words are in `stderr`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    common = [compiler, "-shared", "-fPIC", "-nostdlib", "-O1", "-fno-builtin", "-Wl,--no-as-needed"]
    _compile(
        [*common, "-Wl,-soname,libascend_stub.so", "-o", str(folder / "libascend_stub.so")], source(plan)
    )
    for soname in plan.sonames:
        words = [*common, f"-Wl,-soname,{soname}", "-o", str(folder / soname)]
        _compile([*words, f"-L{folder}", "-lascend_stub"], "")


def _compile(words: list[str], text: str) -> None:
    at = words.index("-o")
    subprocess.run(
        [*words[: at + 2], "-x", "c", "-", "-x", "none", *words[at + 2 :]],
        input=text,
        text=True,
        capture_output=True,
        check=True,
    )
