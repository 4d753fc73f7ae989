"""Good files, spoiled: in their structure, in their bytes, or both; and the words that nobody should type."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter

EXAMPLES = int(os.environ.get("WHEELHOUSE_FUZZ_EXAMPLES", "15"))
"""Cases for each file and each task; `nox -s fuzz` tries 2,000."""

fuzzed = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""The same cases at every run, and no clock that could fail one."""

_SHOWN = 4000
_DEEP: list[Any] = []
for _ in range(60):
    _DEEP = [_DEEP]
_TEXTS = [
    "",
    " ",
    "x",
    "-x",
    "--",
    "0",
    "-1",
    "1e999",
    "\u0661\u0662",
    "2.8.0",
    "banana",
    "\u00e9\u4e2d\U0001f9f1",
    "\u202eabc",
    "\udcff",
    "a\nb",
    "a\0b",
    "\x1b[31m",
    "../../up",
    "/absolute/nowhere",
    "./.",
    "..",
    "~",
    "~nobody-here/x",
    "a\\b",
    "C:\\x",
    "con",
    "{version}",
    "{0.__class__}",
    "%s",
    "$HOME",
    "http://[::1",
    "file:///nowhere",
    "https://user:pass@127.0.0.1:9/x",
    "127.0.0.1:99999",
    ">=",
    "a==1; extra ==",
    "sha256:" + "0" * 64,
    "f" * 64,
    "9" * 5000,
    f">={'9' * 5000}",
    f"2.8.0+{'9' * 5000}",
    f"a-{'9' * 5000}-py3-none-any.whl",
    "\u00b2",
    "x" * 300,
    "y" * 5000,
]
texts = st.sampled_from(_TEXTS) | st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs", "Cc"]), max_size=30
)
values: st.SearchStrategy[Any] = (
    texts
    | st.sampled_from([None, True, False, 0, 1, -1, 2**31, 2**63, 10**40, -(2**70)])
    | st.sampled_from(
        [1.5, float("nan"), float("inf"), "\ud800", [], {}, [[]], [None], [{}], {"": {}}, _DEEP]
    )
    | st.sampled_from([["x"], [1], {"x": 1}, {"x": "y"}, {"x": ["y"]}, [{"x": "y"}], [["x", "y"]]])
)


class ShortlyShown:
    """Shown by `repr` where a test fails: hypothesis would print every field, and refuses to print long ones."""

    def _repr_pretty_(self, printer: RepresentationPrinter, _cycle: bool) -> None:  # noqa: FBT001 - the hook's form
        printer.text(repr(self))


class Spoiled(ShortlyShown, bytes):
    """Bytes of a spoiled file, shown in part where a test fails."""

    def __repr__(self) -> str:
        shown = bytes.__repr__(self)
        return shown if len(shown) < _SHOWN else f"{shown[:_SHOWN]}... ({len(self)} bytes)"


def _places(value: object, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every part of a document, the whole first."""
    yield way
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, (*way, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value[:3]):
            yield from _places(inner, (*way, at))


def _copied(value: Any) -> Any:  # noqa: ANN401 - any part of a document
    return json.loads(json.dumps(value))


@st.composite
def documents(draw: st.DrawFn, good: Mapping[str, Any]) -> Any:  # noqa: ANN401 - it may be spoiled at its root
    """Return a good document with one to three of its parts dropped, exchanged, repeated or added to."""
    document = _copied(good)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        way = draw(st.sampled_from(places))
        if not way:
            if draw(st.integers(0, 9)) == 0:
                return _copied(draw(values))
            continue
        _change(draw, document, _at(document, way[:-1]), way[-1], places)
    return document


def _change(draw: st.DrawFn, document: Any, holder: Any, last: Any, places: list[tuple[Any, ...]]) -> None:  # noqa: ANN401
    """Change one part of a document, which `holder` holds under `last`."""
    match draw(st.sampled_from(["drop", "value", "value", "value", "rename", "twice", "other", "more"])):
        case "drop":
            del holder[last]
        case "rename" if isinstance(holder, dict):
            holder[draw(texts)] = holder.pop(last)
        case "twice" if isinstance(holder, list):
            holder.append(_copied(holder[last]))
        case "other":
            holder[last] = _copied(_at(document, draw(st.sampled_from(places))))
        case "more" if isinstance(holder[last], dict):
            holder[last][draw(texts)] = _copied(draw(values))
        case _:  # what is drawn is copied, since hypothesis hands out the same list or mapping again
            holder[last] = _copied(draw(values))


def _at(document: Any, way: tuple[Any, ...]) -> Any:  # noqa: ANN401 - any part of a document
    for step in way:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return None
    return document


_OTHER = [b"", b"\n", b"garbage", b"[]", b"{}", b"null", b"\x7fELF", b"\0" * 99]


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Return bytes cut short, overwritten, in another encoding, or none of the kind at all."""
    place = draw(st.integers(0, max(len(data) - 1, 0)))
    rows = data.splitlines(keepends=True)
    other = draw(st.binary(min_size=1, max_size=4))
    ways = [
        data[:place],
        b"\xef\xbb\xbf" + data,
        data.decode("utf-8", "replace").encode("utf-16"),
        data[:place] + b"\xe9\xff" + data[place:],
        data[:place] + b"\0" * len(other) + data[place:],
        data[:place] + other + data[place + 2 :],
        data + data,
        b"".join(draw(st.permutations(rows[:12]))) + b"".join(rows[13:]),
        draw(st.sampled_from(_OTHER)),
    ]
    return draw(st.sampled_from(ways))


DEEP_JSON = [b"[" * 5000, b'{"a":' * 5000, b'{"schema": ' + b"9" * 5000 + b"}", b"NaN", b'{"a":1,"a":2}']
DEEP_TOML = [b"x = " + b"[" * 5000, b"x = " + b"9" * 5000, b"a." * 5000 + b"b = 1", b"x = 1\nx = 2"]


def jsons(good: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """Return JSON files that were good once."""
    return _jsons(good).map(Spoiled)


def tomls(good: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """Return TOML files that were good once."""
    return _tomls(good).map(Spoiled)


def texts_of(good: bytes) -> st.SearchStrategy[bytes]:
    """Return files of lines that were good once."""
    return damaged(good).map(Spoiled)


@st.composite
def _jsons(draw: st.DrawFn, good: Mapping[str, Any]) -> bytes:
    match draw(st.integers(0, 9)):
        case 0:
            return draw(st.sampled_from(DEEP_JSON))
        case 1 | 2:
            return draw(damaged(json.dumps(good).encode()))
        case 3:
            return _with_a_key_twice(draw, json.dumps(draw(documents(good))).encode())
        case _:
            return json.dumps(draw(documents(good))).encode()


def _with_a_key_twice(draw: st.DrawFn, data: bytes) -> bytes:
    key = draw(st.sampled_from([b"schema", b"files", b"path", b"cell"]))
    return data.replace(b"{", b'{"' + key + b'": 1, ', draw(st.integers(1, 3)))


@st.composite
def _tomls(draw: st.DrawFn, good: Mapping[str, Any]) -> bytes:
    match draw(st.integers(0, 9)):
        case 0:
            return draw(st.sampled_from(DEEP_TOML))
        case 1 | 2:
            return draw(damaged(tomli_w.dumps(good).encode()))
        case _:
            return _toml(draw(documents(good)))


def _toml(document: object) -> bytes:
    table = _writable(document if isinstance(document, dict) else {"x": document})
    return tomli_w.dumps(table).encode("utf-8", "replace")


def _writable(value: Any) -> Any:  # noqa: ANN401 - any part of a document
    """Take out what TOML has no form for: null becomes an absent key."""
    if isinstance(value, dict):
        return {key: _writable(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_writable(inner) for inner in value if inner is not None]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
