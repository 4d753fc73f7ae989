"""What both resolvers share: the request in files, one run of the tool, and pins or a telling error out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename

from ascend_wheelhouse.base.process import CommandFailedError, run
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.resolve.annotated import read_pins
from ascend_wheelhouse.resolve.errors import explain, refuse_bad_requirements
from ascend_wheelhouse.resolve.request import Resolution, ResolveRequest

REQUIREMENTS = "requirements.in"
CONSTRAINTS = "constraints.in"
ANSWER = "answer.txt"
_TOLD_TO_TOOLS = ("PIP_", "UV_")
_HARMLESS = {
    *("PIP_CACHE_DIR", "PIP_KEYRING_PROVIDER"),
    *(
        "UV_CACHE_DIR",
        "UV_CONCURRENT_DOWNLOADS",
        "UV_HTTP_RETRIES",
        "UV_NATIVE_TLS",
        "UV_NO_CACHE",
        "UV_SYSTEM_CERTS",
    ),
}
"""Variables of pip and uv that say nothing of which versions are taken, or from where."""


@contextmanager
def question(request: ResolveRequest) -> Iterator[Path]:
    """Give a scratch folder that holds `requirements.in` and `constraints.in`.

    Pins that are kept stand where the answer goes: both tools prefer what is in the file that they write.

    Raises:
        BadRequirementError: Some of their lines are not PEP 508; the text lists them all.
    """
    refuse_bad_requirements(request)
    with scratch() as folder:
        write_lines(folder / REQUIREMENTS, request.requirements)
        write_lines(folder / CONSTRAINTS, request.bounds)
        if request.kept:
            write_lines(folder / ANSWER, request.kept)
        yield folder


def write_lines(path: Path, lines: Sequence[str]) -> Path:
    """Write one line for each item and return the path."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def environment(told: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a resolver: this process's, without what changes the question, and what is told.

    A lock keeps what was asked. Where variables such as `UV_RESOLUTION` or `PIP_PRE`, or a line of pip.conf, asked
    something besides, another host came to another lock, and nothing told why.

    Args:
        told: What the resolver is told by variables.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _HARMLESS or not name.startswith(_TOLD_TO_TOOLS)
    }
    return {**kept, "PIP_CONFIG_FILE": os.devnull, **told}


def answer(
    tool: str, command: Sequence[str | Path], folder: Path, request: ResolveRequest, env: Mapping[str, str]
) -> Resolution:
    """Run `command` in `folder`, told `env` by variables (see `environment`), and read the pins that it wrote.

    Raises:
        WheelhouseError: The tool gave no answer; which class says why.
    """
    try:
        run(command, cwd=folder, env=environment(env))
    except CommandFailedError as error:
        output = f"{error.finished.stdout}\n{error.finished.stderr}"
        raise explain(tool, output, request) from error
    text = (folder / ANSWER).read_text(encoding="utf-8")
    return Resolution(pins=read_pins(text, request), resolver=tool)


def link_of(place: str | Path) -> str:
    """Return a place of `find-links` as a URL in which no resolver finds a blank, a comma or `~`.

    pip divides its list of places at blanks and uv at commas, in options too. Both run in a scratch folder, where a
    path that is relative would lead elsewhere. A path may begin with `~`, as for pip.

    Args:
        place: A URL, or the path of a folder or page, relative to the current folder.
    """
    text = str(place)
    if "://" in text or text.startswith("file:"):
        return text.replace(",", "%2C").replace(" ", "%20")
    return Path(text).expanduser().absolute().as_uri()


def local_wheels(request: ResolveRequest) -> dict[str, Path]:
    """Return the newest wheel in `find_links` for each name that has one the target accepts."""
    tags: frozenset[Tag] = frozenset(request.target.tags)
    found: dict[str, tuple[object, Path]] = {}
    for path in sorted(file for folder in request.find_links for file in folder.glob("*.whl")):
        name, version, _build, wheel_tags = parse_wheel_filename(path.name)
        if tags & wheel_tags and (name not in found or version > found[name][0]):  # type: ignore[operator]
            found[canonicalize_name(name)] = (version, path)
    return {name: path for name, (_version, path) in found.items()}
