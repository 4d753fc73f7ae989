"""WCAG 2.1, success criteria 1.4.3 and 1.4.11: contrast, computed from the style sheet in both schemes."""

from __future__ import annotations

import re

import pytest

from ascend_wheelhouse.pages.render import style

_LIGHT, _, _REST = style().partition("@media (prefers-color-scheme: dark)")
_DARK = _REST[: _REST.index("\n}\n")]
TEXT = [
    *(("ink", on) for on in ("paper", "card", "calmbg", "notebg", "madebg", "goodbg", "linkbg")),
    *(("soft", on) for on in ("paper", "card", "calmbg", "notebg", "madebg", "goodbg")),
    *(("link", on) for on in ("paper", "card", "notebg")),
    ("good", "goodbg"),
    ("bad", "badbg"),
    ("note", "notebg"),
    ("calm", "calmbg"),
    ("made", "madebg"),
]
GRAPHICS = [
    ("edge", "card"),
    ("soft", "card"),
    ("good", "goodbg"),
    ("note", "notebg"),
    ("made", "madebg"),
    ("link", "card"),
    ("link", "linkbg"),
    ("edge", "calmbg"),
]


def colours(text: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", text))


def luminance(colour: str) -> float:
    """Return the relative luminance of sRGB, as WCAG 2.1 defines it."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def test_the_formula_gives_the_known_ratios() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


@pytest.mark.parametrize("scheme", [_LIGHT, _DARK], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_aa_wants(scheme: str) -> None:
    known = colours(scheme)
    found = {pair: round(contrast(known[pair[0]], known[pair[1]]), 2) for pair in TEXT}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", [_LIGHT, _DARK], ids=["light", "dark"])
def test_lines_and_frames_of_pictures_have_the_contrast_that_wcag_aa_wants(scheme: str) -> None:
    known = colours(scheme)
    found = {pair: round(contrast(known[pair[0]], known[pair[1]]), 2) for pair in GRAPHICS}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 3} == {}


def test_both_schemes_name_the_same_colours() -> None:
    assert colours(_LIGHT).keys() == colours(_DARK).keys()
