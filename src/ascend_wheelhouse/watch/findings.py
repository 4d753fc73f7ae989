"""What `invoke watch` finds: one value a finding, with an identifier that stays the same from run to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

Kind = Literal["vulnerable", "yanked", "vanished", "new", "unreachable"]
Of = Literal["component", "wheel", "table", "source"]
KINDS: tuple[Kind, ...] = ("vulnerable", "yanked", "vanished", "new", "unreachable")
"""In the order in which a person should read them."""


UNASKED = "--offline"
LEFT_OUT = "left out"
"""How reasons begin where nobody was asked."""
ANSWERED = "it answered"
"""How a reason begins where an answer came that says nothing of releases."""


def not_known(why: str, *, asked: bool = True) -> str:
    """Return what is told of a place of which nothing is known: asked in vain, not asked, or asked and none the wiser.

    Args:
        why: The reason.
        asked: Whether there is anybody to ask; some reasons say by themselves that it was not.
    """
    if why.startswith(ANSWERED):
        return why
    return f"{'could not be' if is_asked(why) and asked else 'was not'} asked: {why}"


def is_asked(why: str) -> bool:
    """Tell by the reason why nothing is known of a place whether that was asked."""
    return not why.startswith((UNASKED, LEFT_OUT))


@dataclass(frozen=True, kw_only=True)
class WatchFinding:
    """One thing to know.

    Args:
        kind: What happened.
        of: `component` of a stack, another `wheel` of a lock, a row of the compatibility `table`, or a `source` that
            was asked.
        component: The component, the project, or what was asked.
        before: The version that is locked, empty where none is.
        after: The version that could take its place, empty where none is known.
        published: When the newest file of `after` came to the index (RFC 3339), empty where nothing says so.
        stacks: The stacks that it touches.
        locks: The locks that it touches, `FOLDER/PLATFORM`.
        text: What happened and what would have to move with it, for a person.
        command: What to type.
        facts: More for programs, by kind.
        about: What else tells two findings of one component apart.
    """

    kind: Kind
    of: Of
    component: str
    before: str = ""
    after: str = ""
    published: str = ""
    stacks: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    text: str = ""
    command: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    about: str = ""

    @property
    def id(self) -> str:
        """What names it: the same in every run, and for every index, that finds it."""
        return "/".join(filter(None, (self.kind, self.component, self.before, self.after, self.about)))

    def as_dict(self) -> dict[str, object]:
        """Return what `--json` prints."""
        table = asdict(self)
        del table["about"]
        return {"id": self.id, "from": table.pop("before"), "to": table.pop("after"), **table}


def ordered(findings: Iterable[WatchFinding]) -> list[WatchFinding]:
    """Return findings in the order of `KINDS`, components before other wheels, then by name; each identifier once."""
    by_id = {one.id: one for one in findings}
    return sorted(
        by_id.values(),
        key=lambda one: (KINDS.index(one.kind), one.of != "component", one.component, one.before, one.id),
    )
