"""The nine things about a builder that must not change a wheel, and the values that a build normally has."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

Order = Literal["sorted", "reversed"]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a build sees of its builder.

    Args:
        root: Where the source, the environment and everything else of the build lie.
        clock: Seconds that the clock is ahead.
        umask: The mode bits that new files lose.
        locale: `LC_ALL` and `LANG`.
        timezone: `TZ`.
        hostname: What `uname -n` says.
        user: Name and number of the user.
        order: In which order the source files were laid down, which is what a directory listing may follow.
        cores: How many cores may be used; 0 for all.
    """

    root: str = "/build"
    clock: int = 0
    umask: int = 0o022
    locale: str = "C.UTF-8"
    timezone: str = "UTC"
    hostname: str = "builder"
    user: tuple[str, int] = ("builder", 1000)
    order: Order = "sorted"
    cores: int = 0


NORMAL = Conditions()
VARIED = Conditions(
    root="/somewhere/else/entirely",
    clock=400 * 86_400 + 25_217,
    umask=0o077,
    locale="POSIX",
    timezone="Pacific/Kiritimati",
    hostname="another-host",
    user=("somebody", 4321),
    order="reversed",
    cores=1,
)
NAMES = tuple(field.name for field in fields(Conditions))


def only(name: str) -> Conditions:
    """Return the normal conditions with one of them varied: to find which one changes a wheel."""
    return replace(NORMAL, **{name: getattr(VARIED, name)})
