"""One-letter options: few, and of the same meaning in every task. Invoke by itself would take the first letter free."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, ClassVar

from invoke.parser.argument import Argument
from invoke.tasks import Task
from invoke.tasks import task as invoke_task

from ascend_wheelhouse import console
from ascend_wheelhouse.base import settings
from ascend_wheelhouse.commands.tasks.built_in import BUILT_IN
from ascend_wheelhouse.commands.tasks.option_groups import gathered, groups_of, spread

SHORT = {"torch": "t", "platform": "p", "npu": "n", "out": "o", "output": "o", "json": "j", "verbose": "v"}
"""The letter of each option that has one."""
_SHOW = {"show-config": "show the value of each option and where it comes from, and do nothing else"}


class FlagTask(Task[Any]):
    """A task whose options have the letters of `SHORT` and no others, and `--verbose`; `-h` stays Invoke's help.

    One whose options have defaults in `ascend-wheelhouse.toml` has `--show-config` too. A parameter whose default is an
    `OptionGroup` stands for the options of that group.

    Args:
        body: The function.
        help: The texts for its options.
        settled: Options whose defaults stand in `ascend-wheelhouse.toml`.
        options: What any task takes.
    """

    common: ClassVar[Mapping[str, str]] = {"verbose": "in a pipe, a line for each file as well"}
    """The texts for options that the class itself adds."""

    def __init__(
        self,
        body: Callable[..., None],
        help: Mapping[str, str] | None = None,  # noqa: A002 - Invoke's name
        settled: Sequence[str] = (),
        **options: Any,  # noqa: ANN401 - Invoke's
    ) -> None:
        self.settled = tuple(settled)
        self.built_in: dict[str, Any] = {}
        self.groups = groups_of(body)
        texts = {**self.common, **(_SHOW if self.settled else {})}
        repeated = [*options.pop("iterable", ())]
        for group in self.groups.values():
            texts |= group.texts
            repeated += group.repeated
        super().__init__(body, help={**texts, **(help or {})}, iterable=repeated, **options)

    def argspec(self, body: Callable[..., None]) -> Signature:
        """Return the options of the command line."""
        own = super().argspec(body)
        names = ["show_config", "verbose"] if self.settled else ["verbose"]
        more = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=False) for name in names]
        options = spread(own.parameters.values(), self.groups)
        return own.replace(parameters=[*self._unsettled(options), *more])

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return the arguments of the command line, as often as asked: Invoke takes each text out of `help`."""
        texts = dict(self.help)
        try:
            return super().get_arguments(ignore_unknown_help)
        finally:
            self.help = texts

    def arg_opts(self, name: str, default: str, taken_names: set[str]) -> dict[str, Any]:
        """Return what Invoke makes the argument of, its names chosen here."""
        options = super().arg_opts(name, default, taken_names)
        letter = [SHORT[name]] if name in SHORT and name not in self.positional else []
        return {**options, "names": [options["names"][0], *letter]}

    def __call__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Invoke's
        """Call the body with what is its own."""
        console.be_verbose(wanted=options.pop("verbose", False))
        showing = options.pop("show_config", False)
        settled = [name for name in self.settled if name in options]
        given = {_key(name): str(options[name]) for name in settled if self._is_given(name, options[name])}
        with console.main_guard(json=bool(options.get("json"))):
            holding = settings.use(Path(args[0].config.project.root), given).found()
            if showing:
                self._show(json=bool(options.get("json")))
                return
        for name in settled:
            found = holding.get(_key(name))
            options[name] = found.value if found else self.built_in[name]
        self.run_body(*args, **options)

    def run_body(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Invoke's
        """Call the function itself."""
        super().__call__(*args, **gathered(options, self.groups))

    def _show(self, *, json: bool) -> None:
        """Show what holds with this command line, and where each value comes from."""
        from ascend_wheelhouse.commands import config

        own = {_key(name): str(value or "") for name, value in self.built_in.items()}
        config.main(config.ConfigOptions(built_in={**own, **BUILT_IN}, json=json))

    def _is_given(self, name: str, value: object) -> bool:
        """Tell whether the command line says something; empty does where that is no way to leave the choice open."""
        return value is not None and (value != "" or self.built_in[name] != "")

    def _unsettled(self, parameters: Iterable[Parameter]) -> list[Parameter]:
        """Return parameters of which it shows whether they were given; what holds where nothing is said is kept."""
        asked = list(parameters)
        self.built_in |= {one.name: one.default for one in asked if one.name in self.settled}
        return [one.replace(default=None) if one.name in self.settled else one for one in asked]


def _key(name: str) -> str:
    return name.replace("_", "-")


task = functools.partial(invoke_task, klass=FlagTask)
"""`invoke.task` with our letters."""
