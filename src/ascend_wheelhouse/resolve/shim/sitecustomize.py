"""Start-up shim: this interpreter reports the machine in `WHEELHOUSE_REPORTS` instead of the one it runs on.

Python imports `sitecustomize` before anything else when its folder is on PYTHONPATH. pip computes tags and
markers from these few functions, so an unpatched pip-compile then resolves for that machine. The variable
holds JSON: `{"machine": "aarch64", "glibc": "2.28", "python": [3, 11, 0]}`.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
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
    if sys.version_info < (3, 12) <= python:
        replaced += (
            (shutil, {"rmtree": _rmtree_of_3_12(shutil.rmtree)}),
            (pathlib.PurePath, {"relative_to": _relative_to_of_3_12(pathlib.PurePath.relative_to)}),
        )
    for owner, members in replaced:
        for name, value in members.items():
            setattr(owner, name, value)


def _rmtree_of_3_12(own: Callable[..., None]) -> Callable[..., None]:
    """Return `shutil.rmtree` with the argument that Python 3.12 brought: pip passes it where it sees that version."""

    def rmtree(
        path: object,
        ignore_errors: bool = False,  # noqa: FBT001, FBT002 - Python's own signature
        onerror: Callable[..., object] | None = None,
        *,
        onexc: Callable[..., object] | None = None,
        dir_fd: int | None = None,
    ) -> None:
        handler = onerror
        if onexc is not None:
            told = onexc
            handler = lambda function, name, info: told(function, name, info[1])  # noqa: E731
        own(path, ignore_errors, handler, dir_fd=dir_fd)

    rmtree.avoids_symlink_attacks = getattr(own, "avoids_symlink_attacks", False)  # type: ignore[attr-defined]
    return rmtree


def _relative_to_of_3_12(own: Callable[..., pathlib.PurePath]) -> Callable[..., pathlib.PurePath]:
    """Return `PurePath.relative_to` with `walk_up`, which pip-tools passes where it sees Python 3.12."""

    def relative_to(self: pathlib.PurePath, *other: object, walk_up: bool = False) -> pathlib.PurePath:
        if not walk_up:
            return own(self, *other)
        return type(self)(os.path.relpath(self, os.path.join(*map(str, other))))  # noqa: PTH118 - made of parts

    return relative_to


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
