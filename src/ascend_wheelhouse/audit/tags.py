"""Which part of a wheel's tags does not fit the target: its Python, its libc, its architecture, its system.

Sources: PEP 425 (the three parts), PEP 600 (manylinux) and PEP 656 (musllinux).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from packaging.tags import Tag

from ascend_wheelhouse.cells.target import MACHINES, Target, dotted

_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_")
_PYTHON = re.compile(r"(cp|pp|py)(\d)(\d*)")
_NAMES = {"cp": "CPython", "pp": "PyPy", "py": "Python"}


def tag_faults(tags: Collection[Tag], target: Target) -> list[str]:
    """Return what of the tags does not fit, each as a sentence without its subject; nothing when they fit."""
    if not set(tags).isdisjoint(target.tags):
        return []
    fitting = {(tag.interpreter, tag.abi) for tag in target.tags}
    faults = [] if any((tag.interpreter, tag.abi) in fitting for tag in tags) else [_python(tags, target)]
    platforms = sorted({tag.platform for tag in tags})
    if not {"any", *target.platforms}.intersection(platforms):
        faults.append(_platform(platforms[-1], target))
    return faults or [f"no tag of it fits CPython {dotted(target.python)} on {target.manylinux}"]


def _python(tags: Collection[Tag], target: Target) -> str:
    named = sorted({f"{tag.interpreter}-{tag.abi}" for tag in tags})
    found = _PYTHON.match(named[0])
    python = f"{_NAMES[found[1]]} {'.'.join(filter(None, found.groups()[1:]))}" if found else "another Python"
    return f"is for {python} ({', '.join(named[:3])}), and the target has CPython {dotted(target.python)}"


def _platform(platform: str, target: Target) -> str:
    machine = next((one for one in MACHINES if platform.endswith(f"_{one}")), "")
    if platform.startswith("musllinux"):
        return f"is for musl systems ({platform}), and the target has glibc"
    if not platform.startswith(("manylinux", "linux")):
        return f"is for {platform}, and the target is Linux"
    if machine != target.machine:
        return f"is for {platform}, and the target's architecture is {target.machine}"
    glibc = _MANYLINUX.match(platform)
    needs = f"needs glibc {glibc[1]}.{glibc[2]} ({platform})" if glibc else f"is for {platform}"
    return f"{needs}, and the target's nodes have {dotted(target.glibc)} or newer"
