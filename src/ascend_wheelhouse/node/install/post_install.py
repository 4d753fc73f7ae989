"""What must happen after the wheels are in, and what must hold then.

- `deep_ep` imports its extension as a top-level module, so a symlink to it stands beside the package.
- `triton-ascend` and the index's `triton` own the same files and `pip check` sees nothing: the last one wins.
  The files of triton-ascend that another RECORD names too are compared with its own, it is installed once more
  where they differ, and an environment where both remain is refused.
- `custom_ops` is one version per chip, and the one for the other chip sorts higher.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from .. import documents
from ..errors import IntegrityError, UsageError
from ..reading.contents import Contents
from .receipt import canonical, claims, digests, distributions, shared_files, site_packages
from .wheels import Installer

TRITON = "triton-ascend"
_CHIPS = {"a3": "a3", "910b": "910b0?", "950": "950"}


class BrokenTritonError(IntegrityError):
    """triton-ascend's files are not its own."""


class WrongChipError(IntegrityError):
    """A wheel was made for another NPU chip than the cell's."""


class UnknownActionError(UsageError):
    """The manifest asks for a step that this installer does not know, or outside the environment."""


def finish(env: Path, contents: Contents, folder: Path, installer: Installer) -> list[str]:
    """Do the steps and check what must hold; return one line for each thing done.

    Raises:
        UnknownActionError: A step is not one of ours.
        BrokenTritonError: Another triton stands over triton-ascend.
        WrongChipError: custom_ops is for another chip.
    """
    done = [line for step in contents.post_install for line in _step(env, dict(step))]
    installed = distributions(env)
    require_chip(installed, contents.cell.get("npu", ""))
    broken = foreign_files(env, TRITON)
    wheel = next((item for item in contents.of_kind("wheel") if canonical(item.name) == TRITON), None)
    if wheel and broken:
        installer.reinstall(env, wheel, folder / "wheels")
        done.append("installed triton-ascend once more, over files of another distribution")
        broken = foreign_files(env, TRITON)
    require_whole_triton(installed, broken)
    return done


def _step(env: Path, step: dict[str, str]) -> list[str]:
    if step.get("action") == "symlink":
        return symlink(site_packages(env), step["path"], step["target"])
    if step.get("action") == "install-last":
        return []  # `finish` compares the files, and installs once more where they differ
    raise UnknownActionError(
        f"The manifest asks for {step.get('action')!r} after the install, unknown here.",
        next_step="use the install.py that came with the wheelhouse",
    )


def symlink(site: Path, path: str, pattern: str) -> list[str]:
    """Have a link lead to the last file by a pattern, both below an environment's distributions; return what was done.

    Raises:
        UnknownActionError: One of the two leaves the environment.
    """
    for text in (path, pattern):
        if not documents.path(text) or "**" in text:
            raise UnknownActionError(
                f"The step's path {text!r} leaves the environment, or is none.",
                why="The manifest was not written by this tool, or its recipe is wrong.",
                next_step="correct `post_install` in the recipe, and make the wheelhouse again",
            )
    targets = sorted(site.glob(pattern))
    if not targets:
        return []
    link = site / path
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(targets[-1], link.parent))
    return [f"linked {path} to {targets[-1].relative_to(site)}"]


def foreign_files(env: Path, distribution: str) -> list[str]:
    """Return the files of a new environment's distribution that are missing or that another one wrote over.

    Those that another RECORD names too are compared by digest; the rest came out of the wheel just now.
    """
    recorded = {path: digest for path, digest, _ in claims(env, distribution) if digest}
    present = {path for path in recorded if (env / path).is_file()}
    shared = shared_files(env, distribution) & present
    found = digests(env, sorted(shared))
    broken = {path for path in shared if found[path] != recorded[path]}
    return [str(env / path) for path in recorded if path in broken or path not in present]


def require_whole_triton(installed: Sequence[str], broken: Sequence[str]) -> None:
    """Check that triton-ascend, where it is installed, is the only triton and unbroken.

    Args:
        installed: `name-version` of every distribution.
        broken: Files of triton-ascend that are not its own.

    Raises:
        BrokenTritonError: It is not.
    """
    names = {canonical(item.partition("-")[0]) for item in installed}
    if broken or {TRITON, "triton"} <= names:
        raise BrokenTritonError(
            "triton-ascend is overwritten by another triton.",
            why="\n".join(broken[:5]) or "Both distributions are installed and own the same files.",
            next_step="lock again with `triton` excluded, and build the wheelhouse anew",
        )


def require_chip(installed: Sequence[str], chip: str) -> None:
    """Check that custom_ops, where it is installed, was made for the chip.

    Raises:
        WrongChipError: It was not.
    """
    for item in installed:
        name, _, version = item.rpartition("-")
        marks = [mark for mark, tail in _CHIPS.items() if re.search(rf"{tail}(?!\d)", version)]
        if canonical(name) == "custom-ops" and chip in _CHIPS and marks and chip not in marks:
            raise WrongChipError(
                f"{item} was made for {marks[0]}, the cell is for {chip}.",
                why="Both files stand side by side at the origin, and pip prefers the one for 910b.",
                next_step=f"vendor the custom_ops wheel for {chip} and build the wheelhouse anew",
            )
