"""Whether a file can be what its name or a person says that it is: a wheel, a package, a source."""

from __future__ import annotations

import re
import shlex
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.artefact_name import fits, wheel_distribution
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.node import layout
from ascend_wheelhouse.node.reading.sources import find_parts

_SOURCES = (".tar.gz", ".tgz")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!=~-]*")
_ADDED = re.compile(r"(?: ?\([0-9]+\)| copy| - Copy)(?=(?:\.tar)?\.[a-z]+$)")
"""What browsers and file managers add to the name of a second file."""


class WrongKindError(UsageError):
    """The file is no wheel, package or source of the component that was named."""


class OddNameError(UsageError):
    """The file has a name that no wheelhouse can hold, as that of a second download."""


class PackedWheelhouseError(UsageError):
    """The file is a bundle: a whole wheelhouse, which is imported as the folder that it is."""


def require_unpacked(path: Path) -> None:
    """Hold a file to be no bundle, whatever it is called.

    Raises:
        PackedWheelhouseError: It is one, or the first part of one.
    """
    with path.open("rb") as stream:
        block = stream.read(layout.BLOCK)
    size = layout.size_in(block) if len(block) == layout.BLOCK else None
    if size is None or block != layout.header(layout.MANIFEST, size):
        return
    parts = [shlex.quote(str(part)) for part in find_parts(path)]
    unpack = (
        f"tar -xf {parts[0]} -C carried"
        if len(parts) == 1
        else f"cat {' '.join(parts)} | tar -xf - -C carried"
    )
    raise PackedWheelhouseError(
        f"{path.name} is a bundle, and a wheelhouse is imported as a folder.",
        why=f"`invoke bundle --verify {shlex.quote(str(path))} --trusted-key KEY.pub` proves it before it is unpacked.",
        next_step=f"`mkdir carried && {unpack} && invoke vendor carried`",
    )


def require_plain(path: Path) -> None:
    """Hold a file to a name that a bundle can hold and an installer takes; of an archive's own name nothing is kept.

    Raises:
        OddNameError: It has another one.
    """
    if path.suffix == ".zip" or _PLAIN.fullmatch(path.name):
        return
    right = _ADDED.sub("", path.name)
    named = path.with_name(right if _PLAIN.fullmatch(right) else "NAME")
    raise OddNameError(
        f"{path.name!r} is no name that a wheelhouse can hold.",
        why="A browser or a file manager added to it, or it was renamed: pip and bundles refuse such names.",
        next_step=f"mv -i {shlex.quote(str(path))} {shlex.quote(str(named))}, then import that file",
    )


def require_kind(filename: str, recipe: Recipe) -> None:
    """Hold a file to be of a kind that its component has; one whose name the recipe knows is.

    Raises:
        WrongKindError: It is of another kind, or the wheel of another project.
    """
    if filename.endswith(".zip") or fits(filename, recipe):
        return
    ends = _ends(recipe)
    if not filename.endswith(ends):
        raise WrongKindError(
            f"{filename} is no file of {recipe.name}: those end in {', '.join(ends)}.",
            why="--component says whose a renamed file is, and every run would take this one for it.",
            next_step=f"give the file itself, with its end as published: {', '.join(recipe.patterns)}",
        )
    project = canonicalize_name(recipe.distribution)
    if filename.endswith(".whl") and wheel_distribution(filename) != project:
        raise WrongKindError(
            f"{filename} is a wheel of {wheel_distribution(filename)}, and those of {recipe.name} are of {project}.",
            why="pip and uv install a wheel under the name that it has inside.",
            next_step="leave out --component, or name the component that it belongs to",
        )


def _ends(recipe: Recipe) -> tuple[str, ...]:
    """Return how names of a component's files end."""
    known = [PurePosixPath(pattern).suffix for pattern in recipe.patterns]
    own = [".run"] if recipe.kind == "payload" else [".whl"]
    sources = _SOURCES if recipe.build else ()
    return tuple(dict.fromkeys([*own, *(end for end in known if end not in {"", ".zip", ".gz"}), *sources]))
