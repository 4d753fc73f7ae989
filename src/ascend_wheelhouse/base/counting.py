"""Numbers in sentences: the noun and the verb that go with them."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 wheel`, `2 wheels`."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def be(number: int) -> str:
    """Return the verb that goes with a number of things."""
    return "is" if number == 1 else "are"


def with_verb(number: int, noun: str) -> str:
    """Return a number with its noun and the verb: `1 wheel is`, `2 wheels are`."""
    return f"{counted(number, noun)} {be(number)}"
