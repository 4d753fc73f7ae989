"""`ascend-wheelhouse`: Invoke's own program with the tasks of a clone, for any folder.

The project folder is the nearest one upwards with an `ascend-wheelhouse.toml`, else the current one. Its recipes and
lock files lie over those of the package; in a clone they stand by themselves, as they do for `invoke`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError, UnknownFileType
from invoke.program import Program

from ascend_wheelhouse import __version__, console
from ascend_wheelhouse.base import interrupts, packaged, started
from ascend_wheelhouse.commands import completion, usage
from ascend_wheelhouse.commands.tasks import collection

NAME = "ascend-wheelhouse"
SETTINGS = f"{NAME}.toml"
_HERE = ("init", ".")
"""Invoke knows no positional argument that may be left out; a new project is then made in the current folder."""
_LIST_FORMATS = ("flat", "nested", "json")
_VERIFY = "python -m ascend_wheelhouse.verify"


class WheelhouseProgram(Program):
    """Invoke's program, its help in the words that start it."""

    def parse_core(self, argv: list[str] | None) -> None:
        """Read the options before the task; what is wrong there is bad usage too."""
        try:
            super().parse_core(argv)
        except ParseError as error:
            raise _refused(str(error)) from error
        except ValueError as error:
            raise _refused(f"an option before the command wants a number: {error}") from error
        if self.args["list-format"].value not in _LIST_FORMATS:
            raise _refused(f"--list-format is one of {', '.join(_LIST_FORMATS)}.")

    def update_config(self, merge: bool = True) -> None:  # noqa: FBT001, FBT002 - Invoke's
        """Read the settings of Invoke that `--config` names."""
        try:
            super().update_config(merge)
        except UnknownFileType as error:
            raise _refused(str(error)) from error

    def parse_core_args(self) -> None:
        """Read the options before the task; some shells get a function of ours."""
        super().parse_core_args()
        script = completion.SCRIPTS.get(self.args["print-completion-script"].value or "")
        if script is not None:
            sys.stdout.write(script.format(name=NAME))
            raise Exit

    def parse_cleanup(self) -> None:
        """Do what ends the program before any task: completion offers the values of options, too."""
        if self.args.complete.value:
            if not completion.is_whole(self.core.remainder):
                raise Exit
            contexts = self._make_parser().contexts
            option = completion.option_in_question(self.core.remainder, contexts, self.initial_context)
            if option is None:
                option = completion.argument_in_question(self.core.remainder, contexts)
            if option is not None:
                root = project_folder(Path.cwd())
                head = completion.before_value(self.core.remainder)
                found = completion.values(option, root)
                sys.stdout.write("".join(f"{head}{value}\n" for value in found))
                raise Exit
        super().parse_cleanup()

    def print_task_help(self, name: str) -> None:
        """Print a task's help, the commands in it as they are typed here."""
        task = self.collection[self.parser.contexts[name].name]
        task.__doc__ = started.as_started(task.__doc__ or "")
        super().print_task_help(name)

    def print_columns(self, tuples: Any) -> None:  # noqa: ANN401 - Invoke's
        """Print two columns, the commands in them as they are typed here."""
        super().print_columns([(name, started.as_started(text or "")) for name, text in tuples])


def _refused(told: str) -> Exit:
    return usage.refused(usage.BadCommandLineError(told, next_step=f"{NAME} --help"), [NAME, *sys.argv[1:]])


def project_folder(here: Path) -> Path:
    """Return the project folder of a current folder."""
    fitting = (one for one in (here, *here.parents) if (one / SETTINGS).is_file() or packaged.is_clone(one))
    return next(fitting, here)


def project(root: Path) -> Collection:
    """Return the tasks for a project folder, whose recipes and lock files lie over the packaged ones.

    Args:
        root: The folder; a clone stands by itself.
    """
    if not packaged.is_clone(root):
        packaged.lay_over(root)
    usage.propose()
    return collection(root)


def main() -> None:
    """Run the command line of `ascend-wheelhouse`."""
    json = interrupts.wants_json(sys.argv)
    with console.main_guard(json=json):
        root = project_folder(Path.cwd())
        tasks = project(root)
    interrupts.begin(sys.argv)
    tasks.default = None
    session = "" if (root / "noxfile.py").is_file() else _VERIFY
    started.started_as(NAME, tasks.task_names, session=session)
    here = WheelhouseProgram(
        namespace=tasks, name=NAME, binary=NAME, binary_names=[NAME], version=__version__
    )
    with console.telling_system(json=json):
        try:
            here.run([NAME, *(_HERE if sys.argv[1:] == ["init"] else sys.argv[1:])])
        finally:
            sys.stdout.flush()  # not later, where nobody would tell
