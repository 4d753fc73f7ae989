"""Check: every C++ object that exchanges strings with torch has torch's `_GLIBCXX_USE_CXX11_ABI`.

The two ABIs of libstdc++ show in symbol names. Objects that do not meet torch may use either: each links to
its own kind of `std::string` in libstdc++, which has both. torch 2.6.0 for x86_64 is the old one, for
aarch64 the new.
"""

from __future__ import annotations

from collections.abc import Iterator

from ascend_wheelhouse.audit import mangled
from ascend_wheelhouse.audit.report import Finding
from ascend_wheelhouse.audit.universe import Placed, Universe

_FLAG = {"new": 1, "old": 0}


def check(universe: Universe) -> Iterator[Finding]:
    """Yield every object whose symbols of torch's namespaces are of the other ABI than torch's own."""
    if not universe.torch_abi:
        return
    for placed in universe.objects:
        if placed.wheel.name == "torch" or universe.cuda_libraries(placed):
            continue
        asked = placed.object.asked_by_abi.items()
        if foreign := sorted(name for abi, names in asked if abi != universe.torch_abi for name in names):
            yield _finding(placed, universe.torch_abi, foreign)


def _finding(placed: Placed, torch_abi: str, foreign: list[str]) -> Finding:
    wanted = _FLAG[torch_abi]
    name = placed.wheel.name
    return Finding(
        check="cxx-abi",
        rule="abi-differs",
        severity="error",
        wheel=placed.wheel.file,
        member=placed.object.member,
        message=f"compiled with _GLIBCXX_USE_CXX11_ABI={1 - wanted}, and torch with {wanted}",
        evidence=mangled.readable(foreign[0]),
        repair=f"take a {name} that is made for this torch, or build it with _GLIBCXX_USE_CXX11_ABI={wanted}",
        details=tuple(mangled.readable(name) for name in foreign),
    )
