"""What the pages of the site have from elsewhere, put in while Sphinx reads them.

The navigation is made from the lists of `docs/README.md`, so that a document which is listed there is in it. A comment
`<!-- made: NAME -->` gives place to text made from the code: no page keeps a second copy of an option or an exit code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.parser.context import ParserContext

from ascend_wheelhouse.base import errors
from ascend_wheelhouse.commands.tasks import collection
from ascend_wheelhouse.node.errors import WheelhouseError

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
LIST = "docs/README"
_MADE = re.compile(r"<!-- made: ([a-z ]+) -->")
_LISTED = re.compile(r"^\| \[[^\]]+\]\(([^)#]+)\.md\)", re.MULTILINE)
_TAKES = {bool: "", int: "=INT"}


def navigation(text: str) -> str:
    """Return a list of documents with a table of contents for each heading, and titles in place of file names."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    tables = [
        f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{entries}\n```\n"
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
        if (entries := "\n".join(_LISTED.findall(body)))
    ]
    return "\n".join([_LISTED.sub(r"| [](\1.md)", text), *tables])


def commands() -> str:
    """Return every task with its help and its options, as markdown."""
    told = collection(ROOT)
    contexts = {str(context.name): context for context in told.to_contexts()}
    tasks = told.tasks
    return "\n".join(_command(name, contexts[name], inspect.getdoc(tasks[name])) for name in sorted(contexts))


def _command(name: str, context: ParserContext, told: str | None) -> str:
    first = [str(argument.name).upper() for argument in context.positional_args]
    usage = " ".join([name, *first])
    rows = [f"| {names} | {said} |" for names, said in sorted(_options(context))]
    return "\n".join(
        [f"## {name}\n", f"`invoke {usage}`\n", f"{told}\n", "| option | |\n|---|---|", *rows, ""]
    )


def _options(context: ParserContext) -> Iterator[tuple[str, str]]:
    for argument in context.args.values():
        if not argument.positional:
            switch = "[no-]" if argument.kind is bool and argument.default is True else ""
            takes = _TAKES.get(argument.kind, "=STRING")
            names = [f"--{switch}{argument.names[0].replace('_', '-')}{takes}"]
            names += [f"-{letter}" for letter in argument.names[1:] if len(letter) == 1]
            yield ", ".join(f"`{name}`" for name in names), _cell(argument.help or "")


def _cell(text: str) -> str:
    """Return a help text as it may stand in a table."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def exit_codes() -> str:
    """Return the classes of errors by exit code, each with its docstring and the kinds below it."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, WheelhouseError) and WheelhouseError in kind.__bases__
    ]
    rows = [
        f"| {kind.exit_code} | `{kind.__name__}` | {_meaning(kind)} |"
        for kind in sorted(kinds, key=lambda kind: kind.exit_code)
    ]
    return "\n".join(["| code | class | meaning |\n|---|---|---|", *rows, ""])


def _meaning(kind: type[WheelhouseError]) -> str:
    return re.sub(r" \(exit \d+.*?\)", "", (inspect.getdoc(kind) or "").partition("\n")[0])


MADE: dict[str, Callable[[], str]] = {"commands": commands, "exit codes": exit_codes}


def filled(text: str) -> str:
    """Return a page with what is made from the code in its place."""
    return _MADE.sub(lambda found: MADE[found[1]](), text)


def _on_read(_app: Sphinx, name: str, content: list[str]) -> None:
    content[0] = navigation(content[0]) if name == LIST else filled(content[0])


def _on_end(app: Sphinx, error: Exception | None) -> None:
    """Put a first page where readers and servers look for one."""
    if error is None:
        first = (
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={LIST}.html">'
        )
        Path(app.outdir, "index.html").write_text(f'{first}<a href="{LIST}.html">Documents</a>\n', "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Let Sphinx call this module."""
    app.connect("source-read", _on_read)
    app.connect("build-finished", _on_end)
    return {"parallel_read_safe": True}
