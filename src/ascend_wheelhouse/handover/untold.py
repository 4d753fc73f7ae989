"""What neither a file's name nor the command says of it, and the command that says all of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.cells.recipe import ArchiveOrigin, Recipe
from ascend_wheelhouse.cells.target import MACHINES, NPUS


class UntoldFactError(UsageError):
    """The file's release or chip is not told, or told twice and differently."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a command said of a file.

    Args:
        path: The file, as it was typed.
        component: Whose it is; empty where its name tells.
        stated: What a person knows of it.
        sha256: The digest that it must have; empty where none was stated.
    """

    path: Path
    component: str = ""
    stated: NameFacts = field(default_factory=NameFacts)
    sha256: str = ""

    def again(self, **more: str) -> str:
        """Return the command with more options, those in capitals to be filled in."""
        words = {
            "component": self.component,
            "version": self.stated.version,
            "platform": self.stated.machine,
            "npu": self.stated.npu,
            "cann": self.stated.cann,
            "torch": self.stated.torch,
            "python": re.sub(r"^cp(\d)(\d+)$", r"\1.\2", self.stated.python_tag),
            "sha256": self.sha256,
        } | more
        options = "".join(f" --{name} {shlex.quote(value)}" for name, value in words.items() if value)
        return f"invoke vendor {shlex.quote(str(self.path))}{options}"


@dataclass(frozen=True, kw_only=True)
class _Untold:
    what: str
    why: str
    options: dict[str, str]
    aside: str = ""


def require_told(
    filename: str, recipe: Recipe | None, facts: NameFacts, given: Given, *, release_known: bool
) -> None:
    """Hold a file to be known by its release and its chip, where its recipe has several of either.

    Args:
        filename: The file, or the member of an archive.
        recipe: Its component; nothing need be told of a file of none.
        facts: What is known of it.
        given: What the command said.
        release_known: Whether its release is.

    Raises:
        UntoldFactError: Something is not told; the text has all of it, and one command.
    """
    if recipe is None:
        return
    lacking = list(_lacking(filename, recipe, facts, release_known=release_known))
    if lacking:
        options = {name: value for one in lacking for name, value in one.options.items()}
        raise UntoldFactError(
            " ".join(one.what for one in lacking),
            why=" ".join(one.why for one in lacking),
            next_step=given.again(**options) + "".join(one.aside for one in lacking),
        )


def _lacking(filename: str, recipe: Recipe, facts: NameFacts, *, release_known: bool) -> Iterator[_Untold]:
    if filename.endswith((".tar.gz", ".tgz")) and not facts.version:
        yield _Untold(
            what=f"{filename} does not say which release of {recipe.name} it is.",
            why="A build starts from the source of one release, and stacks name releases.",
            options={"component": recipe.name, "version": "RELEASE"},
        )
    elif any(isinstance(origin, ArchiveOrigin) for origin in recipe.origins) and not release_known:
        yield _Untold(
            what=f"{filename} does not say which release of {recipe.name} it is from.",
            why="A stack names the release's tag, and the wheel carries another number.",
            options={"version": "TAG"},
            aside=", or import the release's whole zip",
        )
    elif recipe.names and not facts.version:
        yield _Untold(
            what=f"{filename} does not say which release of {recipe.name} it is.",
            why="Without it, every stack would take the file for its own release.",
            options={"version": "RELEASE"},
        )
    if recipe.names and not facts.machine:
        yield _Untold(
            what=f"{filename} does not say which architecture it is for.",
            why="A package is for one, and nodes of the other cannot run it.",
            options={"platform": "ARCHITECTURE"},
            aside=f"    (--platform {' or '.join(MACHINES)})",
        )
    if recipe.chip_specific and not facts.npu:
        yield _Untold(
            what=f"{filename} is built for one NPU chip, and its name does not say which.",
            why="Builds for Atlas A3 and Atlas A2 carry the same file name.",
            options={"npu": NPUS[0]},
            aside=f"    (or --npu {', --npu '.join(NPUS[1:])})",
        )
