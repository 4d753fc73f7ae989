"""Mangled C++ names: read for people, and told apart by whose they can be.

Source of the scheme: the Itanium C++ ABI, chapter 5.1. Names are demangled by the C++ library (`cxxfilt`).
"""

from __future__ import annotations

import re
from functools import lru_cache

import cxxfilt

CLOSED_NAMESPACES = (
    "c10",
    "at",
    "torch",
    "caffe2",
    "c10d",
    "c10_npu",
    "torch_npu",
    "at_npu",
    "torchvision",
    "vision",
)
"""Namespaces that belong to wheels alone: a symbol that mentions one is never CANN's or the system's."""
_CLOSED = re.compile("|".join(f"(?<![0-9]){len(name)}{name}(?![a-z_])" for name in CLOSED_NAMESPACES))
_C_TORCH = re.compile(r"^(THP|aoti_torch_|torch_)")
_OLD_STRING = re.compile(r"std::(string|basic_string<|ostringstream|stringstream|list<)")


def readable(name: str) -> str:
    """Return the name demangled, or as it is where it is not a C++ name; a symbol version stays behind it."""
    symbol, _, version = name.partition("@")
    return f"{_demangled(symbol)}@{version}" if version else _demangled(symbol)


@lru_cache(maxsize=1 << 14)
def _demangled(symbol: str) -> str:
    if not symbol.startswith("_Z"):
        return symbol
    try:
        return str(cxxfilt.demangle(symbol, external_only=False))
    except (cxxfilt.InvalidName, UnicodeError):
        return symbol


def is_closed(name: str) -> bool:
    """Tell whether a symbol is torch's or of a wheel built on it, by the namespaces that it mentions."""
    if name.startswith("_Z"):
        return _CLOSED.search(name) is not None
    return _C_TORCH.search(name) is not None


def string_abi(name: str) -> str:
    """Return the C++11 ABI that a symbol was compiled with: `new`, `old`, or empty where it does not show.

    Source: libstdc++'s manual, "Dual ABI": the new types live in `std::__cxx11`, functions returning them carry
    the tag `B5cxx11`.
    """
    if not name.startswith("_Z"):
        return ""
    if "__cxx11" in name or "B5cxx11" in name:
        return "new"
    if "Ss" in name or "SbI" in name:
        return "old" if _OLD_STRING.search(_demangled(name)) else ""
    return ""
