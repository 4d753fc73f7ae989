"""What the findings tell a person to take instead: by name, version and command."""

from __future__ import annotations

from fnmatch import fnmatchcase

from packaging.version import Version

from ascend_wheelhouse.audit.facts import WheelFacts
from ascend_wheelhouse.audit.policy import AuditPolicy

_DRIVER = ("libascend_hal.so*", "libdcmi.so*", "libdrvdsmi_host.so*")
_CPU_BUILDS = frozenset({"torch", "torchvision", "torchaudio", "torchao"})
MUSL = "libc.musl-"


def titled(wheel: WheelFacts) -> str:
    """Return a wheel's name and version, as a person would ask for it."""
    return f"{wheel.name} {wheel.version}" if wheel.name else wheel.file


def wheel_for_target(wheel: WheelFacts, policy: AuditPolicy) -> str:
    """Return which wheel of the same release fits."""
    target = policy.target
    return f"take {titled(wheel)} as a cp{target.python[0]}{target.python[1]} wheel for {target.manylinux} or older"


def cpu_build(wheel: WheelFacts) -> str:
    """Return what to take in place of a wheel that is built for CUDA."""
    if wheel.name in _CPU_BUILDS:
        public = wheel.version.partition("+")[0]
        return f"take {wheel.name} {public}+cpu, which the PyTorch index has"
    return f"build {titled(wheel)} without CUDA, or leave it out"


def host_package(library: str, policy: AuditPolicy) -> str:
    """Return whose library it is, where the node has it: a package of CANN, NNAL, or the driver; else nothing."""
    for pattern, package in policy.host_packages.items():
        if fnmatchcase(library, pattern):
            return package
    return "the NPU driver" if any(fnmatchcase(library, pattern) for pattern in _DRIVER) else ""


def adding(item: str, policy: AuditPolicy) -> str:
    """Return how something that is missing gets into the set: by its lock where it has one, else by hand."""
    if policy.cell:
        return f"lock again, so that {item} is in it: `invoke lock --upgrade {policy.words}`"
    return f"put {item} beside the others"


def torch_npu_for(torch: str, policy: AuditPolicy) -> list[str]:
    """Return the torch_npu releases that upstream's table or a stack has for a torch version, newest first."""
    public = torch.partition("+")[0]
    rows = policy.compatibility.rows_for(public) if policy.compatibility is not None else []
    stacks = [
        stack.versions["torch_npu"] for stack in policy.stacks if stack.versions.get("torch", "") == public
    ]
    return sorted({*(row.version for row in rows), *stacks}, key=Version, reverse=True)


def fitting(wheel: WheelFacts, torch: str, policy: AuditPolicy) -> str:
    """Return which versions of a wheel would fit torch, as far as the table and the stacks tell."""
    if wheel.name != "torch-npu" or not torch:
        return f"take a release of {wheel.name} that is built against the libraries of this set, or build it"
    releases = torch_npu_for(torch, policy)
    own = policy.compatibility.row(wheel.version) if policy.compatibility is not None else None
    made_for = own.torch if own else _base(wheel.version)
    fits = f"with torch {torch} fit torch_npu {', '.join(releases)}"
    none = (
        f"no torch_npu release is listed for torch {torch}: `invoke recipes` lists the combinations that are"
    )
    return f"{fits if releases else none}; torch_npu {wheel.version} fits torch {made_for}"


def _base(version: str) -> str:
    try:
        return ".".join(map(str, Version(version).release[:3]))
    except ValueError:
        return version
