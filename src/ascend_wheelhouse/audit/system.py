"""The node's system libraries, as the manylinux policy promises them.

The policy file is auditwheel's: for every glibc floor the libraries that any node has and the newest
versions of their symbols. References without a version are told by name: glibc's from a list, C++'s own by
their namespace, those of libraries that have no versions (X11, GL, glib, expat, most of zlib) by prefix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ascend_wheelhouse.cells.target import Target

_LOADER = re.compile(r"^ld-linux[\w.-]*\.so\.\d+$|^linux-vdso\.so\.1$")
_PREFIXES: Mapping[str, re.Pattern[str]] = {
    "libz.so.1": re.compile(
        r"^(deflate|inflate|compress|uncompress|crc32|adler32|gz[a-z]|zlib|zError|get_crc_table)"
    ),
    "libexpat.so.1": re.compile(r"^XML_"),
    "libX11.so.6": re.compile(r"^(X|_X)"),
    "libXext.so.6": re.compile(r"^X"),
    "libXrender.so.1": re.compile(r"^XRender"),
    "libICE.so.6": re.compile(r"^(Ice|_Ice)"),
    "libSM.so.6": re.compile(r"^(Sm|_Sm)"),
    "libGL.so.1": re.compile(r"^gl"),
    "libglib-2.0.so.0": re.compile(r"^g_"),
    "libgobject-2.0.so.0": re.compile(r"^g_"),
    "libgthread-2.0.so.0": re.compile(r"^g_"),
}
_STANDARD = re.compile(
    r"^_Z(T[ISVT])?(N?K?)*(St|S[saiod]|9__gnu_cxx|10__cxxabiv1)|^_Z(n[wa]|d[la])|^_ZT[IS][PK]*[a-z]|^__cxa_|^__gxx_|^_Unwind_"
)
_NUMBERED = re.compile(r"^([A-Z]+)_([\w.]+)$")


@dataclass(frozen=True, kw_only=True)
class System:
    """The libraries and symbol versions of one policy."""

    libraries: frozenset[str]
    versions: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, target: Target) -> System:
        """Return what the target's glibc floor promises: the newest policy that is not above it."""
        policy = max(
            (
                one
                for one in _policies()
                if _floor(one) <= target.glibc and target.machine in one["symbol_versions"]
            ),
            key=_floor,
        )
        versions = policy["symbol_versions"][target.machine]
        return cls(
            libraries=frozenset(policy["lib_whitelist"]),
            versions={family: frozenset(known) for family, known in versions.items()},
        )

    def has(self, library: str) -> bool:
        """Tell whether every node has the library."""
        return library in self.libraries or _LOADER.match(library) is not None

    def has_version(self, version: str) -> bool:
        """Tell whether a version such as `GLIBC_2.28` is promised; unknown families are taken to be."""
        parts = _NUMBERED.match(version)
        if parts is None or parts[1] not in self.versions:
            return True
        return parts[2] in self.versions[parts[1]]

    def may_have(self, name: str, needed: frozenset[str]) -> bool:
        """Tell whether a symbol without a version can come from a system library.

        Args:
            name: The symbol.
            needed: The system libraries that its wheel needs; glibc and libstdc++ are loaded in any case.
        """
        if name in _glibc_names() or _STANDARD.match(name):
            return True
        return any(library in needed and pattern.match(name) for library, pattern in _PREFIXES.items())


@cache
def _glibc_names() -> frozenset[str]:
    text = files("ascend_wheelhouse.audit").joinpath("glibc_names.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


@cache
def _policies() -> tuple[dict[str, Any], ...]:
    text = files("auditwheel.policy").joinpath("manylinux-policy.json").read_text("utf-8")
    return tuple(policy for policy in json.loads(text) if policy["name"].startswith("manylinux_"))


def _floor(policy: Mapping[str, Any]) -> tuple[int, int]:
    _, major, minor = str(policy["name"]).split("_")
    return int(major), int(minor)


def _knows(policy: Mapping[str, Any], machine: str) -> bool:
    return machine in policy["symbol_versions"]
