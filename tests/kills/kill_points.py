"""A command that is killed at many points: after each, the last good state stands, and the next run ends well."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from starter import TEMPORARY, Command, Starter

_POINTS = os.environ.get("WHEELHOUSE_KILL_POINTS", "")
State = Mapping[str, str]


def kill_points(seed: str, steps: int, few: int) -> list[int]:
    """Choose steps by chance, the same in every run: `few` of them, or as many more as the environment says."""
    chance = random.Random(seed)  # noqa: S311 - points, not secrets
    return sorted(chance.sample(range(1, steps + 1), min(max(int(_POINTS or 0), few), steps)))


def tree(*places: Path) -> dict[str, str]:
    """Return the digest, or the target, of everything that stands at some places; times and modes are left out."""
    found = {}
    for place in places:
        for path in [place, *sorted(place.rglob("*"))] if place.is_dir() else [place]:
            name = path.relative_to(place.parent).as_posix()
            if path.is_symlink():
                found[name] = f"-> {path.readlink()}"
            elif path.is_file():
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def in_sight(folder: Path) -> dict[str, str]:
    """Return what a user sees in a folder: names that begin with a dot are out of sight."""
    return tree(*sorted(path for path in folder.iterdir() if not path.name.startswith(".")))


def out_of_sight(folder: Path) -> list[str]:
    """Return the names in a folder that a user does not see, the locks' own folder left out."""
    return sorted(path.name for path in folder.glob(".*") if path.name != ".state")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What is killed, and what must hold.

    Args:
        name: The seed of its points.
        prepare: Lays out what the command starts from, in an empty folder, and returns the command to run there.
        visible: Returns what a user sees of the result in a place.
        rest: Returns what no run may leave behind, once the next one has ended.
        sound: Raises where what is visible does not pass its own check.
        finished: How the next run may end, too, where the killed one had done all that lasts.
    """

    name: str
    prepare: Callable[[Path], Command]
    visible: Callable[[Path], State]
    rest: Callable[[Path], Sequence[str]] = lambda _place: []
    sound: Callable[[Path], object] = lambda _place: None
    finished: int = 0

    def survive(self, starter: Starter, folder: Path, few: int) -> None:
        """Kill the command at chosen steps, each time from the same start; nearly all of them must be reached."""
        first = folder / "place"
        command = self._fresh(first)
        before = self.visible(first)
        done = starter.run(command)
        assert done.status == 0, done.text
        assert starter.left_over() == []
        whole = self.visible(first)
        assert whole != before, "the command changes what is visible, else there is nothing to see"
        assert self._rest(first) == []
        chosen = kill_points(self.name, done.steps, few)
        killed = [self._survives(starter, first, one, (before, whole)) for one in chosen]
        assert sum(killed) >= len(chosen) * 0.8

    def _fresh(self, place: Path) -> Command:
        """Lay the place out again: always the same one, since environments and states name it."""
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return self.prepare(place)

    def _survives(self, starter: Starter, place: Path, step: int, allowed: tuple[State, State]) -> bool:
        """Kill a run; return whether it came to that step, which work in several threads may do without."""
        command, at = self._fresh(place), f"{self.name}, killed at step {step}"
        killed = starter.run(command, step)
        assert killed.status in {0, -signal.SIGKILL}, f"{at}: {killed.text}"
        assert starter.left_over() == [], at
        seen = self.visible(place)
        assert seen in allowed, f"{at}: half made\n{_difference(seen, allowed)}"
        self.sound(place)
        again = starter.run(command)
        expected = {0, self.finished} if seen == allowed[1] else {0}
        assert again.status in expected, f"{at}: the next run ended with {again.status}\n{again.text}"
        seen = self.visible(place)
        assert seen == allowed[1], f"{at}: the next run made something else\n{_difference(seen, allowed[1:])}"
        assert starter.left_over() == [], at
        assert self._rest(place) == [], (at, self._rest(place))
        self.sound(place)
        return killed.status != 0

    def _rest(self, place: Path) -> list[str]:
        """Return what lies about, the folder of temporary files included."""
        return [*self.rest(place), *(path.name for path in (place / TEMPORARY).iterdir() if not _tried(path))]


def _tried(path: Path) -> bool:
    """Tell what Python's own `tempfile` writes, and removes, to see whether a temporary folder takes files."""
    named = re.fullmatch("[a-z0-9_]{8}", path.name) is not None
    return named and path.is_file() and path.read_bytes() in {b"", b"blat"}


def _difference(seen: State, wanted: Sequence[State]) -> str:
    nearest = min(wanted, key=lambda one: len(set(one.items()) ^ set(seen.items())))
    return "\n".join(f"{name}: {value}" for name, value in sorted(set(nearest.items()) ^ set(seen.items())))
