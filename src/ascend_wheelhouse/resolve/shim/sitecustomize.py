"""Start-up shim: this interpreter reports the machine in `WHEELHOUSE_REPORTS` instead of the one it runs on.

Python imports `sitecustomize` before anything else when its folder is on PYTHONPATH. pip computes tags and
markers from these few functions, so an unpatched pip-compile then resolves for that machine. The variable
holds JSON: `{"machine": "aarch64", "glibc": "2.28", "python": [3, 11, 0]}`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from typing import NamedTuple


class VersionInfo(NamedTuple):
    """What `sys.version_info` is, which cannot be made by hand."""

    major: int
    minor: int
    micro: int
    releaselevel: str = "final"
    serial: int = 0


def report(machine: str, glibc: str, python: tuple[int, int, int]) -> None:
    """Make this interpreter report a Linux machine with that glibc and CPython."""
    uname = os.uname_result(("Linux", os.uname().nodename, "", "", machine))
    confstr = os.confstr

    def reported_confstr(name: str | int) -> str | None:
        return f"glibc {glibc}" if name == "CS_GNU_LIBC_VERSION" else confstr(name)

    replaced: tuple[tuple[object, Mapping[str, object]], ...] = (
        (os, {"uname": lambda: uname, "confstr": reported_confstr}),
        (sysconfig, {"get_platform": lambda: f"linux-{machine}"}),
        (platform, _platform_functions(machine, glibc, ".".join(map(str, python)))),
        (sys, {"version_info": VersionInfo(*python)}),
        (sys.implementation, {"version": VersionInfo(*python)}),
    )
    for owner, members in replaced:
        for name, value in members.items():
            setattr(owner, name, value)


def _platform_functions(machine: str, glibc: str, version: str) -> Mapping[str, object]:
    return {
        "machine": lambda: machine,
        "release": lambda: "",
        "version": lambda: "",
        "python_version": lambda: version,
        "python_version_tuple": lambda: tuple(version.split(".")),
        "libc_ver": lambda *_args, **_kwargs: ("glibc", glibc),
    }


if "WHEELHOUSE_REPORTS" in os.environ:
    facts = json.loads(os.environ["WHEELHOUSE_REPORTS"])
    report(facts["machine"], facts["glibc"], tuple(facts["python"]))
