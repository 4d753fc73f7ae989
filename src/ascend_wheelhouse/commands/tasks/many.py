"""Tasks about many cells at once."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, ClassVar

from invoke.context import Context

from ascend_wheelhouse import console
from ascend_wheelhouse.base import settings
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.commands.tasks.cell import CellOptions
from ascend_wheelhouse.commands.tasks.farm_words import NO_FARM, FarmWords
from ascend_wheelhouse.commands.tasks.flags import FlagTask, task
from ascend_wheelhouse.commands.tasks.making_words import (
    LOCKING,
    MAKING,
    SHARED,
    CacheWords,
    LockWords,
    MakeWords,
)
from ascend_wheelhouse.commands.tasks.option_groups import OptionGroup
from ascend_wheelhouse.commands.tasks.words import JSON, path_of, root_of

if TYPE_CHECKING:
    from pathlib import Path

    from ascend_wheelhouse.cells.request import Request
    from ascend_wheelhouse.matrix.cell_bundle import BundleOrder

_AXES = ("stack", "torch", "cann", "sglang", "app", "extra", "platform", "npu", "glibc", "python")


class AxesTask(FlagTask):
    """A task whose body takes the axes of a matrix after the context, and whose command line has each as an option.

    Args:
        body: The function.
        help: The texts for its other options.
        options: What any task takes.
    """

    common: ClassVar[Mapping[str, str]] = {
        **FlagTask.common,
        **{axis: f"`--{axis}` of its cells; may be repeated" for axis in _AXES},
    }

    def argspec(self, body: Callable[..., None]) -> Signature:
        """Return the options of the command line: the axes before the others."""
        _axes, *own = super().argspec(body).parameters.values()
        axes = [Parameter(axis, Parameter.POSITIONAL_OR_KEYWORD, default=None) for axis in _AXES]
        return Signature([*axes, *own])

    def __call__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Invoke's
        """Call the body with the context, the axes that were given and the other options."""
        given = {axis: options.pop(axis, None) for axis in _AXES}
        super().__call__(*args, {axis: values for axis, values in given.items() if values}, **options)


class NoBundleError(UsageError):
    """Options of bundles were given to a matrix that packs none."""


@dataclass(frozen=True, kw_only=True)
class PackWords(OptionGroup):
    """How the wheelhouses of a matrix are packed."""

    texts: ClassVar[Mapping[str, str]] = {
        "bundle": "pack each cell into a signed bundle",
        "sign-key": "OpenSSH private key (Ed25519) to sign bundles with",
        "bundles": "folder of the bundles; bundles/ when not given",
        "serial": "serial of the bundles; rises by itself when not given",
        "allow-incomplete": "pack cells although components are pending",
    }

    bundle: bool = False
    sign_key: str = ""
    bundles: str = ""
    serial: str = ""
    allow_incomplete: bool = False

    def order(self, root: Path) -> BundleOrder | None:
        """Return the bundles that are asked for, None where none are.

        Raises:
            NoBundleError: Something is said of bundles, and none is asked for.
        """
        if not self.bundle:
            self._refuse_idle()
            return None
        from ascend_wheelhouse.bundle.serial import parse
        from ascend_wheelhouse.matrix.cell_bundle import BundleOrder

        return BundleOrder(
            out=path_of(self.bundles) or root / "bundles",
            sign_key=path_of(self.sign_key),
            allow_incomplete=self.allow_incomplete,
            serial=parse(self.serial) if self.serial else None,
        )

    def _refuse_idle(self) -> None:
        key = settings.current().found().get("sign-key")
        said = {
            "--sign-key": key is not None and key.place.name == "command line",
            "--bundles": self.bundles,
            "--serial": self.serial,
            "--allow-incomplete": self.allow_incomplete,
        }
        if idle := [option for option, value in said.items() if value]:
            raise NoBundleError(
                f"{' '.join(idle)} says how cells are packed, and --bundle is missing.",
                why="A matrix packs its cells only where it is asked to.",
                next_step="the same command with --bundle, or without these options",
            )


PACKING = PackWords()


@task(
    klass=AxesTask,
    help=JSON
    | {
        "file": "the matrix; matrix.toml when neither it nor an axis is given",
        "page": "the HTML page to write; matrix.html beside the wheelhouses when not given",
        "verify": "do a verification of each complete cell: on a worker with its NPU, or here",
        "reports": "folder with reports of verifications; verify-reports/ when not given",
        "upgrade": "make new locks although some are committed",
        "dry-run": "show the cells and what each would do, and stop",
    },
    iterable=[*_AXES],
    settled=["sign_key", "resolver", "toolchain"],
)
def matrix(
    c: Context,
    axes: Mapping[str, list[str]],
    file: str = "",
    page: str = "",
    verify: bool = False,
    reports: str = "",
    upgrade: bool = False,
    dry_run: bool = False,
    json: bool = False,
    packing: PackWords = PACKING,
    locking: LockWords = LOCKING,
    making: MakeWords = MAKING,
    shared: CacheWords = SHARED,
    farm: FarmWords = NO_FARM,
) -> None:
    """Make the wheelhouses of many cells in one run, and show what stands of each."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import matrix as command

        root = root_of(c)
        lock = locking.choice(CellOptions().request(), upgrade=upgrade)
        modes = {"strict": making.is_strict, "dry_run": dry_run, "retry": making.retry, "verify": verify}
        cells = command.MatrixOptions(
            root=root,
            request_of=_request,
            make=making.options(root, lock, farm),
            file=_file(file, axes),
            axes=axes,
            page=path_of(page) or making.folder(root) / "matrix.html",
            reports=path_of(reports) or root / "verify-reports",
            cache=shared.choice(),
            bundle=packing.order(root),
            json=json,
            **modes,
        )
        code = command.main(cells)
    if code:  # else what stands behind it on the command line is done, too
        raise SystemExit(code)


def _request(values: Mapping[str, str]) -> Request:
    """Return the request of one cell: what it does not name is as for any command, by the settings."""
    holding = settings.current().with_given(values).found()
    return CellOptions(**{key: holding[key].value for key in settings.CELL if key in holding}).request()


def _file(file: str, axes: Mapping[str, list[str]]) -> Path | None:
    """Return the file of a matrix, where it is not given as axes.

    Raises:
        OptionsClashError: A file and axes are given.
    """
    if file and axes:
        from ascend_wheelhouse.bundle.command import OptionsClashError

        names = " ".join(f"--{axis}" for axis in axes)
        raise OptionsClashError(
            f"--file goes with no axis, and {names} is given.",
            why="The cells are those of a file, or the product of what the options name.",
            next_step=f"invoke matrix --file {shlex.quote(file)}, or the same command without --file",
        )
    return path_of(file)
