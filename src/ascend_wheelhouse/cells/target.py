"""The machine that the wheelhouse is for. Its tags and markers are computed, never read off this host.

Sources: PEP 425 and PEP 600 for tags, PEP 508 for marker variables; the glibc floor of the stack is that of
torch's and torch_npu's wheels (`manylinux_2_28`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from ascend_wheelhouse.base.errors import UsageError

if TYPE_CHECKING:
    from packaging.tags import Tag

Machine = Literal["aarch64", "x86_64"]
Npu = Literal["a3", "910b", "950"]
MACHINES: tuple[Machine, ...] = get_args(Machine)
NPUS: tuple[Npu, ...] = get_args(Npu)

FLOOR = (2, 28)
"""The glibc of torch's and torch_npu's published wheels: no node may have an older one."""
PYTHONS = ((3, 11), (3, 12))
"""The CPythons that upstream runs: 3.11, and 3.12 from CANN 9.1 on (sgl-project/sglang:
scripts/ci/npu/npu_ci_install_dependency.sh@00dfc4c). The first is the default."""
_UNSERVED = {
    "310p": "310p is Atlas 300I: triton-ascend, which SGLang imports, does not compile for it "
    "(vllm-project/vllm-ascend#7421), and sgl-kernel-npu publishes nothing for it "
    "(sgl-project/sgl-kernel-npu:.github/workflows/build_and_release.yml@f67bb5c)."
}
"""Chips that upstream's tables name and its serving stack does not have, each with the reason and its source."""
_LEGACY = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_OLDEST = {"aarch64": 17, "x86_64": 5}


class UnknownGlibcError(UsageError):
    """`--glibc` names no version that nodes can have."""


class UnknownPythonError(UsageError):
    """`--python` names no CPython that nodes are served with."""


class UnservedChipError(UsageError):
    """`--npu` names a chip that upstream's serving stack does not have."""


def _python(text: str) -> tuple[int, int]:
    found = next((one for one in PYTHONS if dotted(one) == text), None)
    if found is None:
        known = [dotted(one) for one in PYTHONS]
        raise UnknownPythonError(
            f"{text!r} is no Python that wheelhouses are made for.",
            why=f"Upstream runs its stack with {' and '.join(known)}; without --python it is {known[0]}.",
            next_step=f"--python {' or --python '.join(known)}",
        )
    return found


def python_tag(text: str) -> str:
    """Return the tag of a Python that `--python` names, such as `cp312`; an empty text stays one.

    Raises:
        UnknownPythonError: There is no such Python.
    """
    return "cp{}{}".format(*_python(text)) if text else ""


def _chip(text: str) -> Npu:
    if (reason := _UNSERVED.get(text)) is not None:
        raise UnservedChipError(
            f"Nothing of this stack can be had for NPU chip {text!r}.",
            why=reason,
            next_step=f"--npu {' or --npu '.join(NPUS)}",
        )
    chip = next((known for known in NPUS if known == text), None)
    if chip is None:
        raise UsageError(
            f"Unknown NPU chip {text!r}.",
            why="a3 is Atlas A3 (16 devices a node), 910b is Atlas A2 (8 devices a node), 950 is Ascend 950 (A5).",
            next_step=f"--npu {' or --npu '.join(NPUS)}",
        )
    return chip


def dotted(version: tuple[int, int]) -> str:
    """Return a version as it is written: `3.11`."""
    return f"{version[0]}.{version[1]}"


def _glibc(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"2\.([0-9]{2})", text)
    if match is None or (2, int(match[1])) < FLOOR:
        floor = ".".join(map(str, FLOOR))
        raise UnknownGlibcError(
            f"{text!r} is no glibc that nodes can have.",
            why=f"It is written like {floor}, and torch's own wheels need {floor} at least.",
            next_step="--glibc 2.34 for openEuler 22.03, 2.35 for Ubuntu 22.04, 2.38 for openEuler 24.03",
        )
    return 2, int(match[1])


@dataclass(frozen=True, kw_only=True)
class Target:
    """One kind of node: machine, CPython, glibc floor and NPU chip.

    Args:
        machine: `aarch64` (Kunpeng) or `x86_64`.
        npu: `a3` (Atlas A3), `910b` (Atlas A2) or `950` (Ascend 950).
        glibc: The oldest glibc that a node may have; wheels that need a newer one are not taken.
        python: CPython's `major.minor`.
    """

    machine: Machine
    npu: Npu = "a3"
    glibc: tuple[int, int] = FLOOR
    python: tuple[int, int] = PYTHONS[0]

    @classmethod
    def named(cls, platform: str, npu: str = "a3", glibc: str = "", python: str = "") -> Target:
        """Return the target that `--platform`, `--npu`, `--glibc` and `--python` name.

        Args:
            platform: `aarch64` or `x86_64`.
            npu: `a3`, `910b` or `950`.
            glibc: `major.minor`; the floor of the published wheels when empty.
            python: CPython's `major.minor`; 3.11 when empty.

        Raises:
            UsageError: A name is unknown, or there is no such glibc or Python; the text lists those that are known.
        """
        machine = next((known for known in MACHINES if known == platform), None)
        if machine is None:
            raise UsageError(
                f"Unknown platform {platform!r}.", next_step=f"--platform {' or --platform '.join(MACHINES)}"
            )
        return cls(
            machine=machine,
            npu=_chip(npu),
            glibc=_glibc(glibc) if glibc else FLOOR,
            python=_python(python) if python else PYTHONS[0],
        )

    @property
    def words(self) -> dict[str, str]:
        """The options that name it, by their names."""
        return {
            "platform": self.machine,
            "npu": self.npu,
            "glibc": dotted(self.glibc),
            "python": dotted(self.python),
        }

    @property
    def beside_default(self) -> tuple[str, ...]:
        """The words of a folder's name for a glibc above the floor and a Python that is not the default."""
        glibc = () if self.glibc == FLOOR else (f"glibc{dotted(self.glibc)}",)
        return glibc if self.python == PYTHONS[0] else (*glibc, f"py{dotted(self.python)}")

    @property
    def platforms(self) -> list[str]:
        """Platform tags from the most to the least specific: `manylinux_2_28_aarch64` ... `linux_aarch64`."""
        return list(self._platforms())

    def _platforms(self) -> Iterator[str]:
        major, newest = self.glibc
        for minor in range(newest, _OLDEST[self.machine] - 1, -1):
            yield f"manylinux_{major}_{minor}_{self.machine}"
            if (major, minor) in _LEGACY:
                yield f"{_LEGACY[major, minor]}_{self.machine}"
        yield f"linux_{self.machine}"

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """Every tag that the target's pip accepts, best first."""
        from packaging.tags import compatible_tags, cpython_tags  # noqa: PLC0415 - naming a target needs no tag

        return (
            *cpython_tags(self.python, platforms=self.platforms),
            *compatible_tags(self.python, f"cp{self.python[0]}{self.python[1]}", self.platforms),
        )

    @property
    def markers(self) -> dict[str, str]:
        """The PEP 508 environment of the target; `python_full_version` is the lowest patch release."""
        python = dotted(self.python)
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": "linux",
            "extra": "",
        }

    @property
    def manylinux(self) -> str:
        """The platform tag of the glibc floor, such as `manylinux_2_28_aarch64`."""
        return f"manylinux_{self.glibc[0]}_{self.glibc[1]}_{self.machine}"
