"""The options of tasks that make wheelhouses: by which lock, from which shared cache, and how."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.commands.tasks.option_groups import OptionGroup
from ascend_wheelhouse.commands.tasks.words import path_of, toolchain_choice
from ascend_wheelhouse.node.errors import CELL

if TYPE_CHECKING:
    from ascend_wheelhouse.cells.request import Request
    from ascend_wheelhouse.commands.tasks.farm_words import FarmWords
    from ascend_wheelhouse.make.options import LockChoice, MakeOptions
    from ascend_wheelhouse.shared_cache.choice import CacheChoice

RESOLVER = "pip-tools"
_CI_OFF = {"", "0", "false"}


class TwoUpgradesError(UsageError):
    """A new lock was asked for, and one in which a few wheels move."""


@dataclass(frozen=True, kw_only=True)
class LockWords(OptionGroup):
    """How a lock is made, where one is."""

    texts: ClassVar[Mapping[str, str]] = {
        "resolver": "pip-tools (default) or uv",
        "exclude-newer": "leave out uploads after this date or RFC 3339 time",
    }

    resolver: str = RESOLVER
    exclude_newer: str = ""

    def choice(
        self, request: Request, *, upgrade: bool, build: Collection[str] = (), packages: str = ""
    ) -> LockChoice:
        """Return which lock a run goes by.

        Args:
            request: The cell.
            upgrade: Make a new lock although one is committed.
            build: Components to build from source.
            packages: Wheels that move alone, separated by commas.

        Raises:
            TwoUpgradesError: All wheels are to move, and only some.
            BadDateError: `--exclude-newer` is no date.
            UnknownResolverError: There is no such resolver.
        """
        from ascend_wheelhouse.cells.cutoff import cutoff
        from ascend_wheelhouse.make.options import LockChoice
        from ascend_wheelhouse.resolve.resolvers import resolver_name

        if upgrade and packages:
            raise TwoUpgradesError(
                "--upgrade and --upgrade-package exclude each other.",
                why="The first moves every wheel, the second keeps all others where they are.",
                next_step=f"invoke lock --upgrade-package {packages} {CELL}",
            )
        return LockChoice(
            request=request,
            exclude_newer=cutoff(self.exclude_newer),
            upgrade=upgrade,
            packages=frozenset(filter(None, map(str.strip, packages.split(","))))
            or frozenset([packages] if packages else ()),
            resolver=resolver_name(self.resolver or RESOLVER),
            build=frozenset(filter(None, build)),
        )


@dataclass(frozen=True, kw_only=True)
class CacheWords(OptionGroup):
    """What the command line says of shared caches."""

    texts: ClassVar[Mapping[str, str]] = {
        "cache": "a shared cache: s3://, file://, sftp:// or https:// (may be repeated; WHEELHOUSE_CACHE)",
        "cache-key": "private key that signs what is pushed there; nothing is when not given",
        "cache-trust": (
            "whose builds are taken from there: FILE.pub, a folder of them, or SHA256:... (may be repeated)"
        ),
    }
    repeated: ClassVar[tuple[str, ...]] = ("cache", "cache_trust")

    cache: list[str] | None = None
    cache_key: str = ""
    cache_trust: list[str] | None = None

    def choice(self) -> CacheChoice:
        """Return the shared caches of a run, as options say it or else the environment."""
        from ascend_wheelhouse.shared_cache.choice import CacheChoice

        return CacheChoice.of(self.cache or (), self.cache_key, self.cache_trust or ())


@dataclass(frozen=True, kw_only=True)
class MakeWords(OptionGroup):
    """How wheelhouses are made."""

    texts: ClassVar[Mapping[str, str]] = {
        "offline": "use the store alone",
        "strict": "exit 8 when a component is missing (the default where CI is set)",
        "sandbox": "seal builds from source (--no-sandbox to go on without; the manifest says so)",
        "container": "build from source in this image; `recipe` for each recipe's own",
        "toolchain": "compiler of builds: host, own (see invoke toolchain), or auto, the host's where it fits",
        "output": "folder that holds the wheelhouses",
        "retry": "ask again for what is pending",
        "audit": "--no-audit leaves out the proof that the wheels fit together",
    }

    offline: bool = False
    strict: bool = False
    sandbox: bool = True
    container: str = ""
    toolchain: str = "auto"
    output: str = ""
    retry: bool = False
    audit: bool = True

    @property
    def is_strict(self) -> bool:
        """Whether what is missing is an error, as it is in CI."""
        return self.strict or os.environ.get("CI", "").lower() not in _CI_OFF

    def folder(self, root: Path) -> Path:
        """Return the folder that holds the wheelhouses of a project."""
        return path_of(self.output) or root / "wheelhouse"

    def options(self, root: Path, lock: LockChoice, farm: FarmWords) -> MakeOptions:
        """Return how a run makes a wheelhouse of a project.

        Raises:
            UnknownToolchainChoiceError: There is no such choice of a toolchain.
            FarmChoiceError: The options of the farm do not fit together.
        """
        from ascend_wheelhouse.make.options import BuildPlace, MakeOptions

        chosen = toolchain_choice(self.toolchain)
        return MakeOptions(
            lock=lock,
            build=BuildPlace(sandbox=self.sandbox, container=self.container, toolchain=chosen),
            output=self.folder(root),
            offline=self.offline,
            audit=self.audit,
            farm=farm.choice(),
        )


LOCKING, SHARED, MAKING = LockWords(), CacheWords(), MakeWords()
