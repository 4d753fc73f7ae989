"""How the findings of `invoke watch` are printed: a table a kind, and below it what each would change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ascend_wheelhouse import console
from ascend_wheelhouse.console import words as forms
from ascend_wheelhouse.watch.findings import Kind, WatchFinding
from ascend_wheelhouse.watch.watch import Seen

_TITLES: dict[Kind, str] = {
    "vulnerable": "Known vulnerabilities",
    "yanked": "Yanked files that locks name",
    "vanished": "Files and tags that locks name and that are not offered as they were",
    "new": "New releases",
}
_DATE = len("2026-11-27")


def show(seen: Seen, *, whole: bool) -> None:
    """Print what was found.

    Args:
        seen: What was found.
        whole: List every wheel that is no component's as well.
    """
    for kind, title in _TITLES.items():
        found = [one for one in seen.findings if one.kind == kind]
        told = [one for one in found if whole or kind != "new" or one.of != "wheel"]
        if told:
            console.line(f"{title}:")
            _table(told)
            _details(told)
            console.line()
        if left := len(found) - len(told):
            have, them = ("has a", "it") if left == 1 else ("have", "them")
            release = "newer release" if left == 1 else "newer releases"
            count = forms.counted(left, "other wheel")
            console.line(f"{count} {have} {release} inside what the locks allow: --all lists {them}.")
            console.line()
    _silent([one for one in seen.findings if one.kind == "unreachable"])
    if not any(one.kind != "unreachable" for one in seen.findings):
        console.line(f"Nothing new{_of_what_answered(seen)}.")
    _honest(seen)


def _of_what_answered(seen: Seen) -> str:
    """Return how far "nothing" goes: ` of what answered`, with what is not known; empty where all is."""
    return f" of what answered; of {', '.join(seen.unknown)} it is not known" if seen.unknown else ""


def _table(found: Sequence[WatchFinding]) -> None:
    rows = [
        [
            one.component,
            one.before or "-",
            one.after or "-",
            one.published[:_DATE] or "-",
            str(len(one.locks)) if one.locks else "-",
        ]
        for one in found
    ]
    console.table(["what", "from", "to", "published", "locks"], rows)


def _details(found: Sequence[WatchFinding]) -> None:
    """Print what each would change; an ordinary wheel's release says nothing that the table does not."""
    told = [one for one in found if one.kind != "new" or one.of != "wheel"]
    if told:
        console.line()
        rows = [
            [
                " ".join(filter(None, (one.component, one.after or one.before))),
                one.text,
                ", ".join(one.stacks),
                f"`{one.command}`" if one.command else "",
            ]
            for one in told
        ]
        console.records(["what", "says", "stacks", "next"], rows)


def _silent(found: Sequence[WatchFinding]) -> None:
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for one in found:
        by_reason[one.text].append(one.component)
    if by_reason:
        console.line("Not known:")
        console.records(["what", "why"], [[", ".join(names), text] for text, names in by_reason.items()])
        console.line()


def _honest(seen: Seen) -> None:
    if seen.asked:
        known = f"; the oldest lock knows the index up to {seen.since[:_DATE]}" if seen.since else ""
        console.line(f"Oldest answer of the index: {seen.asked}{known}.")
        console.line("Times are those of uploads; a mirror may show a file days after its own.")
    if seen.unread:
        unread = forms.counted(seen.unread, "wheel")
        console.line(f"The needs of {unread} are not known, so ranges may be too wide.")
