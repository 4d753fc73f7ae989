"""Patches and edits: changes to a source, strict, so that one that no longer fits stops the build at once.

Patches lie in `recipes/patches/<component>/<version range>/*.patch`; the folder's name is a version range
such as `>=2.6,<2.7`. They are applied by `git apply`, which allows no fuzz, in the order of their names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.specifiers import SpecifierSet

from ascend_wheelhouse.base.errors import BuildError, UsageError
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.base.process import CommandFailedError, run
from ascend_wheelhouse.build.inside import inside
from ascend_wheelhouse.build.job import Patch
from ascend_wheelhouse.cells.placeholders import fill
from ascend_wheelhouse.cells.spec import Edit
from ascend_wheelhouse.store.git_source import settings


class PatchFailedError(BuildError):
    """A patch does not apply to the source."""


class EditFailedError(BuildError):
    """A required edit finds nothing to replace."""


class PatchFolderError(UsageError):
    """A folder of patches is not named by a version range."""


class PatchTextError(UsageError):
    """A patch is not UTF-8 text."""


def patches_for(folder: Path | Layered, component: str, version: str) -> tuple[Patch, ...]:
    """Return the patches of a component's version.

    Args:
        folder: `recipes/patches`.
        component: The recipe's name.
        version: The release that is built.

    Raises:
        PatchFolderError: A folder's name is not a version range.
        PatchTextError: A patch is not UTF-8 text.
    """
    named = Layered.of(folder).named(f"{component}/*/*.patch")
    return tuple(_patch(path, name) for name, path in named.items() if _covers(path.parent, version))


def _covers(place: Path, version: str) -> bool:
    try:
        return SpecifierSet(place.name).contains(version, prereleases=True)
    except ValueError as error:
        raise PatchFolderError(
            f"The folder {place.parent.name}/{place.name} of patches is not named by a version range.",
            next_step='rename it, for example to ">=2.6,<2.7"',
        ) from error


def _patch(path: Path, name: str) -> Patch:
    data = path.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise PatchTextError(
            f"The patch {name} is not UTF-8 text: {error}.",
            next_step="write it in UTF-8; a source in another encoding is changed by `[[build.edits]]`",
        ) from error
    return Patch(name=name, sha256=hashlib.sha256(data).hexdigest(), text=text)


def apply_patches(source: Path, patches: Sequence[Patch]) -> None:
    """Apply patches to a source folder, each wholly or not at all.

    Raises:
        PatchFailedError: One does not apply; the text names it and the hunk.
    """
    env = settings() | {"GIT_CEILING_DIRECTORIES": str(source.parent)}
    for patch in patches:
        try:
            run(["git", "apply", "--whitespace=nowarn", "-"], cwd=source, env=env, stdin=patch.text)
        except CommandFailedError as error:
            raise PatchFailedError(
                f"The patch {patch.name} does not apply.",
                why=error.tail(),
                next_step="make it again for this version, in a folder named by the versions that it fits",
            ) from error


def apply_edits(source: Path, edits: Sequence[Edit], values: Mapping[str, str]) -> None:
    """Apply the recipe's text replacements.

    Raises:
        EditFailedError: A required one finds nothing.
        LinkOutError: A file lies behind a link that leads out of the source.
    """
    for edit in edits:
        path = inside(source, edit.path)
        before = path.read_text("utf-8", "surrogateescape") if path.is_file() else ""
        replacement = fill(edit.replace, values).replace("\\", r"\\")
        after, count = re.subn(edit.find, replacement, before)
        if count == 0 and edit.required:
            raise EditFailedError(
                f"The edit of {edit.path} finds nothing that matches {edit.find!r}.",
                why="Upstream changed the file." if before else "The source has no such file.",
                next_step="adapt [[build.edits]] of the recipe to this version",
            )
        if after != before:
            path.write_text(after, "utf-8", "surrogateescape")  # other encodings stay as they are
