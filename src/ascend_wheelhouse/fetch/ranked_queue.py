"""A queue that is served from both of its ends, in the order of what it holds."""

from __future__ import annotations

import threading
from bisect import insort
from typing import Generic, TypeVar

Item = TypeVar("Item", bound="tuple[object, ...]")


class RankedQueue(Generic[Item]):
    """Keeps what is put into it sorted; threads take the first or the last, and wait where there is none yet."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item) -> None:
        """Add an item; no two items are equal in what decides their order."""
        with self._changed:
            insort(self._items, item)
            self._changed.notify()

    def take(self, *, behind: Item | None = None) -> Item | None:
        """Return the first item as soon as there is any, or the last one where it stands behind another.

        Args:
            behind: What the last item must stand behind to be taken before the first.

        Returns:
            The item, or None once the queue is closed.
        """
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            return self._items.pop(-1 if behind is not None and behind < self._items[-1] else 0)

    def close(self) -> None:
        """Let all who wait go; what was not taken stays undone."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
