"""Reading the annotated requirements that pip-compile and uv write: `name==version`, then `# via` lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from ascend_wheelhouse.resolve.errors import ResolverCrashedError
from ascend_wheelhouse.resolve.request import Pin, ResolveRequest

_VIA = re.compile(r"^\s+#(?:\s+via)?\s*(?P<requirer>.*)$")


def read_pins(text: str, request: ResolveRequest) -> tuple[Pin, ...]:
    """Return the pins in `text`, sorted, without the excluded names and what only they need.

    Raises:
        ResolverCrashedError: A line is no pin.
    """
    versions: dict[str, str] = {}
    via: dict[str, set[str]] = {}
    name = ""
    for line in text.splitlines():
        annotation = _VIA.match(line)
        if annotation and name:
            via[name].update(_requirers(annotation["requirer"]))
        elif line.strip() and not line.startswith(("#", "-")):
            name, versions[name] = _pin(line)
            via.setdefault(name, set())
    direct = request.direct
    kept = set(_reachable(via, direct, request.excluded))
    return tuple(
        Pin(name=name, version=versions[name], via=tuple(sorted(via[name] & kept)), direct=name in direct)
        for name in sorted(kept)
    )


def _pin(line: str) -> tuple[str, str]:
    try:
        requirement = Requirement(line.split(" #", maxsplit=1)[0].split(" --", maxsplit=1)[0].strip())
    except ValueError as error:
        raise ResolverCrashedError(f"The resolver wrote a line that is no pin: {line!r}.") from error
    name = canonicalize_name(requirement.name)
    if requirement.url:
        return name, str(parse_wheel_filename(requirement.url.rsplit("/", 1)[-1].replace("%2B", "+"))[1])
    return name, str(requirement.specifier).removeprefix("==")


def _requirers(annotation: str) -> Iterator[str]:
    for part in annotation.split(","):
        word = part.strip()
        if word and not word.startswith(("-r", "-c", "--")):
            yield canonicalize_name(word.split("[")[0].split(" ")[0])


def _reachable(via: Mapping[str, set[str]], direct: frozenset[str], out: frozenset[str]) -> Iterator[str]:
    """Yield the names that something kept asks for, starting at the direct ones."""
    todo = [name for name in via if name in direct and name not in out]
    seen = set(todo)
    while todo:
        parent = todo.pop()
        yield parent
        found = [name for name, parents in via.items() if parent in parents and name not in seen | out]
        seen.update(found)
        todo += found
