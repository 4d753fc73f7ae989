"""From what a resolver printed to an error that a person can act on.

Both tools explain a conflict well, but among tracebacks, progress and addresses. Here the explanation is
kept, the addresses lose their hosts, and the cases with a known remedy get their own class.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.errors import ResolveError, SourceUnreachableError, WheelhouseError
from ascend_wheelhouse.resolve.request import ResolveRequest


class ConflictError(ResolveError):
    """The requirements contradict each other."""


class NoCandidateError(ResolveError):
    """A name has no version, or none with a wheel for the target, that fits its requirement.

    Args:
        names: The projects that the resolver names, normalised.
    """

    names: Collection[str] = ()


class UnreadableReleaseError(ResolveError):
    """The resolver cannot read a release that it would have to choose."""


class ClosedNameError(ResolveError):
    """Something asks for a name that only a recipe may supply, and no wheel of it was imported."""


class BadRequirementError(ResolveError):
    """A requirement or constraint is not valid PEP 508."""


class ResolverCrashedError(ResolveError):
    """The resolver ended without an answer and without a reason known here."""


class IndexUnreachableError(SourceUnreachableError):
    """The index did not answer the resolver."""


CLOSED_MARK = "0+closed"
_KEPT_LINES = 30
_ADDRESS = re.compile(r"(?:https?|file)://[^\s,)\]'\"`<>]*/([^\s,/)\]'\"`<>]*)")
_NAMED = re.compile(r"(?:No matching distribution found for|the requirement) ([A-Za-z0-9._-]+)")
_MARKED = re.compile(rf"([\w.-]+)=={re.escape(CLOSED_MARK)}")
_UNREACHABLE = (
    "Connection refused",
    "Failed to fetch",
    "error sending request",
    "timed out",
    "Max retries exceeded",
    "HTTP status server error",
)
_ABSENT = (
    "No matching distribution",
    "Could not find a version",
    "there is no version of",
    "there are no versions of",
    "was not found in the",
    "has no wheels with a matching",
    "have no wheels with a matching",
    "no usable wheels",
    "only unsupported wheel variants",
)
_NAME = r"([A-Za-z0-9][\w.-]*)"
_LACKING = [
    re.compile(pattern)
    for pattern in (
        rf"satisfies the requirement {_NAME}",
        rf"there (?:are no versions|is no version) of {_NAME}",
        rf"[Bb]ecause {_NAME}(?:[<>=!~]\S*)? ha(?:s|ve) (?:no|only)\b",
        rf"[Bb]ecause {_NAME} was not found",
    )
]
"""How pip and uv name a project that has nothing for the target."""
_UNREADABLE = ("has invalid metadata", "has an invalid package format")


def refuse_bad_requirements(request: ResolveRequest) -> None:
    """Check every requirement and constraint before a tool stumbles over the first bad one.

    Raises:
        BadRequirementError: Some are not PEP 508; the text lists them all.
    """
    problems = list(_problems((*request.requirements, *request.bounds)))
    if problems:
        raise BadRequirementError(
            f"{len(problems)} requirement(s) cannot be read.",
            why="\n".join(problems),
            next_step="correct them in the recipe or stack that they come from",
        )


def explain(tool: str, output: str, request: ResolveRequest) -> WheelhouseError:
    """Return the error that `output`, printed by `tool` before it gave up, amounts to."""
    text = readable(output)
    closed = _closed_name(text, request)
    if closed:
        return ClosedNameError(
            f"There is no wheel of {closed} for this cell yet, and a requirement asks for it.",
            why="The index is not asked: its recipe alone says where it comes from, and no wheel of the version for "
            f"this cell was found there. What the index has under that name is another version or project.\n{text}",
            next_step="import the wheel with `invoke vendor FILE`, take a version of torch that has one, "
            f"or drop the requirement for {closed}",
        )
    if any(sign in text for sign in _UNREACHABLE):
        return IndexUnreachableError(
            f"The package index did not answer {tool}.",
            why=text,
            next_step="check `pip config list`, proxy and network, and run the same command again",
        )
    return _unsolved(tool, text, request)


def _unsolved(tool: str, text: str, request: ResolveRequest) -> ResolveError:
    machine = request.target.manylinux
    if any(sign in text for sign in _UNREADABLE):
        return UnreadableReleaseError(
            f"{tool} cannot read a release of the index that it would have to choose.",
            why=text,
            next_step="keep that release out by `constraints` of the stack, or try the other resolver with --resolver",
        )
    if any(sign in text for sign in _ABSENT):
        error = NoCandidateError(
            f"A requirement has no version with a wheel for {machine}.",
            why=f"{text}{_date_hint(request)}",
            next_step="change the version in the recipe or stack, or tell pip of the index that has it",
        )
        named = {name for pattern in _LACKING for name in pattern.findall(text)}
        error.names = sorted({canonicalize_name(name.rstrip(".-")) for name in named})
        return error
    if "conflicting dependencies" in text or "you require" in text:
        return ConflictError(
            f"No set of versions fits {machine}: requirements contradict each other.",
            why=f"{text}{_date_hint(request)}",
            next_step="change one of the requirements named above in the recipe or stack, or its constraint",
        )
    return ResolverCrashedError(
        f"{tool} gave no answer.",
        why=text,
        next_step="correct what it names; a lock can be made with the other one as well (option --resolver)",
    )


def readable(output: str) -> str:
    """Return the part of `output` that explains the failure, hosts cut out of addresses."""
    lines = [_ADDRESS.sub(r"\1", line.strip("\r\n")) for line in output.splitlines() if line.strip()]
    return "\n".join(list(dict.fromkeys(_explanation(lines)))[-_KEPT_LINES:])


def _explanation(lines: list[str]) -> list[str]:
    """Return the tool's own words: its first error up to a traceback, and pip's list of causes."""
    traceback = _first(lines, r"Traceback")
    before = lines[:traceback]
    causes = lines[
        _first(lines, r"\s*The conflict is caused by") : _first(lines, r"\s*To fix this you could")
    ]
    error = before[_first(before, r"\s*(ERROR|error)\b") :]
    if error or causes:
        return [*error, *causes]
    exception = max((at for at, line in enumerate(lines) if line.startswith(" ")), default=-1)
    return lines[exception + 1 :] or lines


def _first(lines: list[str], pattern: str) -> int:
    return next((at for at, line in enumerate(lines) if re.match(pattern, line)), len(lines))


def _problems(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        try:
            Requirement(line)
        except ValueError as error:
            yield f"{line!r}: {str(error).splitlines()[0]}"


def _closed_name(text: str, request: ResolveRequest) -> str:
    named = {canonicalize_name(name.rstrip(".-")) for name in (*_NAMED.findall(text), *_MARKED.findall(text))}
    return min(named & request.closed_names, default="")


def _date_hint(request: ResolveRequest) -> str:
    return (
        f"\nOnly files uploaded before {request.cutoff:%Y-%m-%d %H:%M} UTC were considered."
        if request.cutoff
        else ""
    )
