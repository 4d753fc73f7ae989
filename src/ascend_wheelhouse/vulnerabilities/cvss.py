"""The word that a CVSS vector of version 3 stands for, by FIRST's specification of 3.1 (sections 5 and 7).

Vectors of version 2 have no such words, and those of version 4 are scored by a table of 270 numbers: they are shown as
they are.
"""

from __future__ import annotations

import math

_WEIGHTS = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}
_WORDS = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"), (0.0, "none"))
_HEADS = ("CVSS:3.0/", "CVSS:3.1/")


def word_of(vector: str) -> str:
    """Return the word for a vector of CVSS 3.0 or 3.1, empty where it is none or lacks one of the base metrics."""
    if not vector.startswith(_HEADS):
        return ""
    metrics = dict(part.split(":", 1) for part in vector.split("/")[1:] if ":" in part)
    try:
        score = _base_score(metrics)
    except KeyError:
        return ""
    return next(word for bound, word in _WORDS if score >= bound)


def _base_score(metrics: dict[str, str]) -> float:
    """Return the base score.

    Raises:
        KeyError: A metric is missing, or has another value than the specification's.
    """
    weight = {name: values[metrics[name]] for name, values in _WEIGHTS.items()}
    scope = metrics["S"]
    privileges = _PRIVILEGES[scope][metrics["PR"]]
    lost = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    changed = scope == "C"
    impact = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 if changed else 6.42 * lost
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * privileges * weight["UI"]
    return _rounded_up(min((1.08 if changed else 1.0) * (impact + exploitability), 10))


def _rounded_up(score: float) -> float:
    """Return the least tenth that is no less, as the specification's appendix A has it for binary fractions."""
    whole = round(score * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (math.floor(whole / 10_000) + 1) / 10
