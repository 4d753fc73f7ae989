"""Defaults of the command line: `ascend-wheelhouse.toml` in the project folder, and one of the user.

What the command line says comes first, then the environment, the project's file, the user's, and last what is built in.
Whatever is wrong in either file is one report. Standard library only: what every run pays for uses it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from ascend_wheelhouse.base import toml_text
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.places import at_home
from ascend_wheelhouse.node import documents

NAME = "ascend-wheelhouse.toml"
CELL = ("torch", "platform", "npu", "glibc", "python", "cann", "sglang", "stack", "app", "extra")
"""The keys that name a cell."""
PATHS = ("store", "sign-key", "trusted-key")
_FINGERPRINT = "SHA256:"
"""What begins the fingerprint of a key, which may stand in place of its file."""
KEYS = (*CELL, "resolver", "toolchain", *PATHS, "mirrors")
CHOICES = {
    "platform": ("aarch64", "x86_64"),
    "npu": ("a3", "910b", "950"),
    "python": ("3.11", "3.12"),
    "resolver": ("pip-tools", "uv"),
    "toolchain": ("auto", "host", "own"),
}
SHAPES = {
    "torch": (r"v?\d[\w.!+-]*", "a version such as 2.8.0"),
    "glibc": (r"2\.(2[89]|[3-9]\d)", "2.28 or later, such as 2.34"),
    "cann": (
        r"[5-9]\.\d+\.(\d+|RC\d+|T\d+)(\.alpha\d+|\.beta\d+)?",
        "a CANN version such as 8.3.RC2 or 8.5.0",
    ),
    "sglang": (r"v?\d[\w.!+-]*", "a version such as 0.5.6.post2"),
}
"""What a value looks like, where it is none of a few."""
_DECIDED = {
    "torch": {"cann", "stack"},
    "stack": {"torch", "cann", "sglang", "app"},
    "app": {"torch", "cann", "sglang", "stack"},
}
"""What a place that names the first says nothing of is left to the stacks, whatever later places say of it."""
MIRROR_RULE = "both sides must be URLs, and the second one of https, http, file, ssh or git"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://.*", re.IGNORECASE)
_TARGET = re.compile(r"(?:https?|file|ssh|git)://(?=\S)[^\0\n]*", re.IGNORECASE)
Values = Mapping[str, str]


class _Number(float):
    """A number that is shown as it stands in a file: 2.10 and 2.1 are two versions."""

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __str__(self) -> str:
        return self.text


_KINDS = {bool: "a truth value", int: "a number", _Number: "a number", list: "a list", dict: "a table"}


class SettingsError(UsageError):
    """Settings files are wrong; the text lists every mistake of both."""


class SettingsUnreadableError(SettingsError):
    """A settings file is there, and cannot be read."""


@dataclass(frozen=True, kw_only=True)
class SettingsPlace:
    """One place that settings come from.

    Args:
        name: `command line`, `environment`, `project` or `user`.
        path: Its file, of the last two.
        values: What it says.
        mirrors: Prefixes of URLs and what stands in their place.
    """

    name: str
    path: Path | None = None
    values: Values = field(default_factory=dict)
    mirrors: Values = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A value, and the place that it comes from."""

    value: str
    place: SettingsPlace


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that was said, the first place first."""

    places: tuple[SettingsPlace, ...] = ()

    def found(self) -> dict[str, Found]:
        """Return every value that holds, by its key."""
        holding: dict[str, Found] = {}
        decided: set[str] = set()
        for place in self.places:
            told = {key: one for key, one in place.values.items() if key not in decided}
            holding = {key: Found(value=one, place=place) for key, one in told.items()} | holding
            decided |= {other for key in told for other in _DECIDED.get(key, ())}
        return holding

    def with_given(self, given: Values) -> Settings:
        """Return the same with another command line, as each cell of a matrix is one."""
        first = SettingsPlace(name="command line", values=given)
        return Settings(places=(first, *(one for one in self.places if one.name != first.name)))

    def in_files(self, key: str) -> str:
        """Return what the files say; the environment is asked by who uses this, and empty means that nothing does."""
        return next((place.values[key] for place in self.places if place.path and key in place.values), "")

    def mirrors(self, name: str) -> Values:
        """Return the mirrors that one place names."""
        return next((place.mirrors for place in self.places if place.name == name), {})


_NOW: list[Settings] = [Settings()]


def current() -> Settings:
    """Return the settings of this run."""
    return _NOW[0]


def use(root: Path, given: Values | None = None) -> Settings:
    """Read the settings of a project folder, and have them hold from now on.

    Args:
        root: The project folder.
        given: What the command line says.

    Raises:
        SettingsError: A file is wrong.
        SettingsUnreadableError: One cannot be read.
    """
    _NOW[0] = Settings()
    mistakes: list[str] = []
    project, user = (
        _place(name, path, mistakes)
        for name, path in {"project": root / NAME, "user": user_folder() / NAME}.items()
    )
    if mistakes:
        raise SettingsError(
            "\n".join(mistakes),
            why=f"The keys are {', '.join(KEYS[:-1])} and the table [mirrors].",
            next_step="correct the lines above, then the same command again",
        )
    first = SettingsPlace(name="command line", values=given or {})
    _NOW[0] = Settings(
        places=(first, SettingsPlace(name="environment", values=_of_environment()), project, user)
    )
    return _NOW[0]


def project_folder() -> Path:
    """Return the project folder of this run; the current one where none was said yet."""
    return next(
        (place.path.parent for place in current().places if place.name == "project" and place.path), Path()
    )


def user_folder() -> Path:
    """Return the user's folder of settings, as the XDG base directory specification has it."""
    chosen = os.environ.get("XDG_CONFIG_HOME", "").strip()
    return (at_home(chosen) if chosen else at_home("~/.config")) / "ascend-wheelhouse"


def variable(key: str) -> str:
    """Return the environment variable of a key."""
    return f"WHEELHOUSE_{key.upper().replace('-', '_')}"


def _of_environment() -> dict[str, str]:
    said = {key: os.environ.get(variable(key), "").strip() for key in KEYS if key != "mirrors"}
    return {key: value for key, value in said.items() if value}


def _place(name: str, path: Path, mistakes: list[str]) -> SettingsPlace:
    try:
        table = toml_text.parse(documents.bytes_of(path), parse_float=_Number)
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not path.is_symlink():
            return SettingsPlace(name=name, path=path)
        raise SettingsUnreadableError(
            f"The settings file {path} cannot be read: {error.strerror or error}.",
            why="It or a folder above it is closed to this user, or something else than a file has its name.",
            next_step=f"`ls -ld {shlex.quote(str(path))}` shows what lies there; open it to this user or move it away",
        ) from error
    except ValueError as error:
        mistakes.append(f"{path}: {error}")
        return SettingsPlace(name=name, path=path)
    mistakes += [f"{path}: {text}" for text in _mistakes(table)]
    values = {key: _text(key, value, path) for key, value in table.items() if key != "mirrors"}
    return SettingsPlace(name=name, path=path, values=values, mirrors=table.get("mirrors", {}))


def _text(key: str, value: object, path: Path) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    names_file = key in PATHS and not str(value).startswith(_FINGERPRINT)
    return str(path.parent / at_home(str(value))) if names_file else str(value)


def _mistakes(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if key not in KEYS:
            yield f"{key}: there is no such key{_meant(key, KEYS)}"
        elif key == "mirrors":
            yield from _in_mirrors(value)
        elif key == "extra" and isinstance(value, list):
            yield from (f'extra: holds {one!r}, write ["one", "two"]' for one in value if not _sound(one))
        elif not _sound(value):
            yield f'{key}: is {_kind(value)}, write it as text: {key} = "{_example(key, value)}"'
        elif key in CHOICES and value not in CHOICES[key]:
            choices = CHOICES[key]
            yield f"{key}: is {value!r}, must be one of {', '.join(choices)}{_meant(str(value), choices)}"
        elif key in SHAPES and not re.fullmatch(SHAPES[key][0], value, re.IGNORECASE):
            yield f"{key}: is {value!r}, must be {SHAPES[key][1]}"


def is_mirror(source: str, target: object) -> bool:
    """Tell whether a prefix and what stands in its place are URLs, and the second one of a kind that a client asks."""
    if not (_URL.fullmatch(source) and isinstance(target, str) and _TARGET.fullmatch(target)):
        return False
    return not target.lower().startswith("http") or _has_port(target)


def _has_port(url: str) -> bool:
    """Tell whether the host and port of a URL can be read, as they cannot of `https://h:port/`."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _sound(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "a text with a NUL character" if value.strip() else "empty"
    return _KINDS.get(type(value), "a date")


def _example(key: str, value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and str(value) in CHOICES.get(key, (str(value),)):
        return str(value)
    return CHOICES.get(key, ("...",))[0]


def _in_mirrors(value: object) -> Iterator[str]:
    if not isinstance(value, dict):
        yield 'mirrors: is no table, write [mirrors] and below it "https://from/" = "https://to/"'
        return
    for source, target in value.items():
        if not is_mirror(source, target):
            yield f'mirrors.{source}: {MIRROR_RULE}, write "https://from/" = "https://to/"'


def _meant(word: str, known: tuple[str, ...]) -> str:
    import difflib  # noqa: PLC0415 - only a mistake pays for it

    spelled = word.lower().replace("_", "-")
    near = difflib.get_close_matches(spelled, known, n=1)
    return f"; {near[0]} was meant?" if near else ""
