"""Templates to HTML: Jinja2 with escaping always on, one style sheet, and a policy that lets nothing else in.

A page carries its style sheet, named by its digest in the content security policy: a browser then runs no script,
loads nothing, and takes no other style, whatever got into the page. Equal values give equal bytes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_wheelhouse.console import words
from ascend_wheelhouse.node.plain import plain

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

FOLDER = Path(__file__).parent / "templates"


@functools.cache
def style() -> str:
    """Return the style sheet of every page."""
    return (FOLDER / "style.css").read_text("utf-8")


def policy() -> str:
    """Return the content security policy of every page."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def render(template: str, **values: object) -> str:
    """Return a page.

    Args:
        template: The name of a file in `templates/`.
        values: What it is filled with; text is escaped.
    """
    return _environment().get_template(template).render(**values)


def compile_template(template: str) -> None:
    """Have a template ready for `render`."""
    _environment().get_template(template)


def fragment(template: str, **values: object) -> Markup:
    """Return a part of a page, which other templates take as it is; see `render`."""
    from markupsafe import Markup  # noqa: PLC0415 - as Jinja2, whose own it is

    return Markup(render(template, **values))  # noqa: S704 - escaped by the engine


def _plain(value: object) -> object:
    """Return what an expression of a template gave, as it may stand on a page."""
    return plain(value) if type(value) is str else value


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - 0.1 s that few runs need

    found = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        finalize=_plain,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    helpers: dict[str, Any] = {
        "size": words.size,
        "seconds": words.seconds,
        "web": web_address,
        "anchor": anchor,
    }
    found.filters.update(helpers, counted=words.counted)
    found.globals.update(style=style, policy=policy)
    return found


def web_address(text: str) -> str:
    """Return an address that a link may lead to, empty where it is none of the web: `javascript:` is no place."""
    plain = text.strip()
    return plain if plain.startswith(("https://", "http://")) and not any(map(str.isspace, plain)) else ""


def anchor(text: str) -> str:
    """Return an element's name in a page for any text."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text.lower())
