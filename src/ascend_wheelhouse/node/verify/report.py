"""What a verification found: one result a probe, and the report that is kept as evidence.

A report holds nothing of the run's whereabouts (no scratch paths, no host clock), so that two runs of the
same environment differ in times and figures of load alone.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from .. import documents, durable
from ..host.fitness import columns
from ..host.software import NO_EVIDENCE, WORDS

Verdict = Literal["passed", "failed", "skipped", "crashed", "timed-out", "out-of-memory", "known"]

SCHEMA = 1
EXIT_DONE, EXIT_FAILED = 0, 9
_GOOD = ("passed", "skipped", "known")
_ON_DEVICES = frozenset({"npu", "multi_npu", "server"})
"""Markers of the probes that prove a node; a failure of theirs that somebody announced is a failure all the same."""

_EVIDENCE_WIDTH = 240
_LEAST = 30
_LONGEST_SECONDS = 1 << 31
_COMMAND, _HARD_SPACE = re.compile(r"`[^`]+`"), "\x1f"
_PARTS = ("wheelhouse", "cell", "host", "conditions")


class NewerSchemaError(ValueError):
    """A report has a schema that this version does not know."""


def schema_read(value: object) -> bool:
    """The schema that is read here."""
    return type(value) is int and value == SCHEMA


def verdict(value: object) -> bool:
    """One of the words that end a probe."""
    return isinstance(value, str) and value in get_args(Verdict)


def seconds(value: object) -> bool:
    """A time that a clock can show."""
    return type(value) in {int, float} and 0 <= value < _LONGEST_SECONDS  # type: ignore[operator]


_RESULT = {
    "probe": str,
    "verdict": verdict,
    "seconds": seconds,
    "evidence": str,
    "detail?": str,
    "figures?": {},
    "markers": [str],
}
_SHAPE = {
    "schema": schema_read,
    "wheelhouse": {...: str},
    "cell": {},
    "host": {},
    "conditions": {"left_out?": [str]},
    "results": [_RESULT],
}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one probe said.

    Args:
        probe: Its name.
        verdict: `known` is a failure that was announced beforehand, with its reason.
        seconds: Wall-clock time.
        evidence: One line for a person: the fact, or the cause, or what would let a skipped probe run.
        detail: More lines, such as the end of a traceback; may be empty.
        figures: Measured values by name; units are part of the name.
        markers: What the probe needs or does: `cann`, `npu`, `multi_npu`, `server`, `emulated`, `software NPU`.
    """

    probe: str
    verdict: Verdict
    seconds: float
    evidence: str
    detail: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    markers: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the result lets the run pass."""
        return self.verdict in _GOOD


@dataclass(frozen=True, kw_only=True)
class Report:
    """A whole run.

    Args:
        wheelhouse: `stack`, `platform`, `digest` (sha256 of the manifest, which differs by its serial in a bundle) and
            `contents` (one digest of all files, as of a bundle; older reports have none).
        cell: The compatibility cell that the environment was made for.
        host: Facts of the machine.
        conditions: How the probes ran: `sealed`, `emulated`, `stubs`, `standins`, `require_npu`, in
            `software_npu` what told that the NPUs were software, in `left_out` the names of the probes that
            were called for and not chosen, and in `hidden_npus` how many NPUs the probes were not shown.
        results: In the order of the run.
    """

    wheelhouse: Mapping[str, str]
    cell: Mapping[str, Any]
    host: Mapping[str, Any]
    conditions: Mapping[str, Any]
    results: tuple[Result, ...]

    @property
    def software(self) -> bool:
        """Whether any of it comes from a software NPU, by the machine's signs or a probe's own process."""
        seen = any(WORDS in result.markers for result in self.results)
        return seen or bool(self.conditions.get("software_npu"))

    @property
    def head(self) -> str:
        """What stands above everything else: what the report is no evidence of, or an empty text."""
        return NO_EVIDENCE if self.software else ""

    @property
    def exit_code(self) -> int:
        """0 when every result is good, else 9; with `require_npu` nothing skipped and no software NPU is good."""
        if self._strict and self.software:
            return EXIT_FAILED
        good = all(result.good for result in self.results) and not self._skips_failed
        return EXIT_DONE if good and self.results else EXIT_FAILED

    @property
    def _strict(self) -> bool:
        return bool(self.conditions.get("require_npu"))

    @property
    def _skips_failed(self) -> bool:
        return self._strict and any(result.verdict == "skipped" for result in self.results)

    @property
    def counts(self) -> dict[str, int]:
        """How many results passed, failed in any way, and were skipped; known failures apart, where there are any."""
        said = [result.verdict for result in self.results]
        passed, skipped, known = said.count("passed"), said.count("skipped"), said.count("known")
        counts = {"passed": passed, "failed": len(said) - passed - skipped - known, "skipped": skipped}
        return counts | ({"known failures": known} if known else {})

    @property
    def outcome(self) -> str:
        """The verdict on the node: `verified`, `failed`, or `partial` with the reason why it is no more."""
        if self.exit_code:
            return "failed"
        return f"partial ({why})" if (why := self._lacking) else "verified"

    @property
    def _lacking(self) -> str:
        """Why it is no evidence of the whole node, or an empty text."""
        reasons = {
            WORDS: self.software,
            "no NPU": not self.host.get("npus") or "npu" in self._markers("skipped"),
            "announced failures": not _ON_DEVICES.isdisjoint(self._markers("known")),
            "NPUs left out": self.conditions.get("hidden_npus"),
            "probes left out": self.conditions.get("left_out"),
            "no probe on NPUs": not any("npu" in result.markers for result in self.results),
            "probes skipped": any(result.verdict == "skipped" for result in self.results),
        }
        return next((words for words, holds in reasons.items() if holds), "")

    def _markers(self, kind: Verdict) -> set[str]:
        return {marker for result in self.results if result.verdict == kind for marker in result.markers}

    @property
    def headline(self) -> str:
        """The verdict and the counts in one line."""
        why = " (nothing may be skipped where NPUs are required)" if self._skips_failed else ""
        return f"{self.outcome}: {tally(self.counts)}{why}"

    def as_dict(self) -> dict[str, Any]:
        """Return what `report.json` holds."""
        head = {"evidence": self.head} if self.software else {}
        said = {"outcome": self.outcome, "counts": self.counts}
        return {"schema": SCHEMA, "exit_code": self.exit_code, **said, **head, **asdict(self)}

    def write(self, path: Path) -> None:
        """Write `report.json`, keys sorted, whole or not at all."""
        text = json.dumps(self.as_dict(), indent=1, sort_keys=True, ensure_ascii=False)
        durable.replace(path, text + "\n", path.with_name(f".{path.name}.part"))


def tally(counts: Mapping[str, int]) -> str:
    """Return counts as words: `3 passed, 0 failed, 2 skipped, 1 known failure`."""
    return ", ".join(
        f"{count} {word.removesuffix('s') if count == 1 else word}" for word, count in counts.items()
    )


def _require_known(path: Path, data: bytes) -> None:
    try:
        stated = json.loads(data)
    except (ValueError, RecursionError):
        return
    number = stated.get("schema") if isinstance(stated, dict) else None
    if type(number) is int and number > SCHEMA:
        raise NewerSchemaError(f"{path}, a verify report, has schema {number}; this version reads {SCHEMA}")


def read_report(path: Path) -> Report:
    """Read a `report.json`.

    Raises:
        ValueError: It is not one, or of another schema; `NewerSchemaError` where that is newer.
    """
    try:
        data = documents.bytes_of(path)
        found = documents.read(data, _SHAPE)
    except documents.UnsoundError as error:
        _require_known(path, data)
        raise ValueError(f"{path} is not a verify report of schema {SCHEMA}: {error}") from error
    names = {item.name for item in fields(Result)}
    rows = [{key: value for key, value in one.items() if key in names} for one in found["results"]]
    results = tuple(Result(**{**row, "markers": tuple(row["markers"])}) for row in rows)
    return Report(**{name: found[name] for name in _PARTS}, results=results)


def table(results: Sequence[Result]) -> str:
    """Return the table that ends a run: probe, verdict, time, evidence; the last is folded to the terminal."""
    rows = [("probe", "verdict", "time", "evidence")]
    rows += [(one.probe, one.verdict, f"{one.seconds:.1f} s", _short(one.evidence)) for one in results]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        _folded(f"{probe:<{widths[0]}}  {verdict:<{widths[1]}}  {seconds:>{widths[2]}}  ", evidence)
        for probe, verdict, seconds, evidence in rows
    )


def _folded(lead: str, evidence: str) -> str:
    """Fold the evidence beside its lead; a command in backquotes stays whole, to be copied."""
    whole = _COMMAND.sub(lambda found: found[0].replace(" ", _HARD_SPACE), evidence)
    width = max(columns() - len(lead), _LEAST)
    wrapped = textwrap.wrap(whole, width, break_long_words=False, break_on_hyphens=False)
    return (lead + f"\n{' ' * len(lead)}".join(wrapped)).rstrip().replace(_HARD_SPACE, " ")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EVIDENCE_WIDTH else line[: _EVIDENCE_WIDTH - 3] + "..."
