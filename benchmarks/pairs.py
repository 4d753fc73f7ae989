"""Right and wrong pairs of torch and torch_npu, audited: the table of docs/audit-pairs.md.

    python benchmarks/pairs.py [--out FILE]

The wheels (about 0.7 GB) are fetched into the store from the index that pip is configured for, once. Each pair is
two wheels in a set of their own; what counts is what one says of the other: link closure and C++ ABI.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.audit.policy import policy_from_recipes
from ascend_wheelhouse.audit.readers import WheelInput
from ascend_wheelhouse.audit.report import AuditReport, counted
from ascend_wheelhouse.audit.runner import audit_wheels
from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.store.store import Store

ROOT = Path(__file__).resolve().parents[1]
ABOUT_THE_PAIR = {"link-closure", "cxx-abi"}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One combination; `fits` is what upstream states."""

    torch: str
    torch_npu: str
    fits: bool
    machine: str = "aarch64"


PAIRS = [
    Pair(torch="2.7.1", torch_npu="2.7.1.post2", fits=True),
    Pair(torch="2.7.1", torch_npu="2.6.0.post5", fits=False),
    Pair(torch="2.7.1", torch_npu="2.8.0.post2", fits=False),
    Pair(torch="2.8.0", torch_npu="2.8.0.post2", fits=True),
    Pair(torch="2.8.0", torch_npu="2.7.1.post2", fits=False),
    Pair(torch="2.8.0", torch_npu="2.9.0", fits=False),
    Pair(torch="2.9.0", torch_npu="2.9.0", fits=True),
    Pair(torch="2.9.0", torch_npu="2.8.0.post2", fits=False),
    Pair(torch="2.9.0", torch_npu="2.10.0", fits=False),
    Pair(torch="2.13.0+cpu", torch_npu="2.13.0", fits=True, machine="x86_64"),
]


def audit_pair(pair: Pair, finder: Finder, store: Store) -> AuditReport:
    """Fetch the two wheels of a pair, where the store has them not, and audit them as one set."""
    target = Target.named(pair.machine)
    pins = [("torch", pair.torch), ("torch_npu", pair.torch_npu)]
    files = [finder.find_file(name, version, target) for name, version in pins]
    wanted = [Download.of(one.artifact, name=one.name, urls=(one.url,)) for one in files]
    done = fetch_all(wanted, store)
    wheels = [
        WheelInput(path=store.path(one.sha256), filename=file.filename)
        for one, file in zip(done, files, strict=True)
    ]
    recipes = ROOT / "recipes"
    policy = policy_from_recipes(load_catalogue(recipes), load_compatibility(recipes), target)
    return audit_wheels(wheels, policy, store)


def row(pair: Pair, report: AuditReport) -> tuple[str, bool]:
    """Return the table's row, and whether the verdict is what upstream states."""
    found = [one for one in report.of("error") if one.check in ABOUT_THE_PAIR]
    symbols = {text for one in found for text in one.details if not text.startswith("mangled: ")}
    first = f"`{min(symbols)[:110]}`" if symbols else ""
    told = found[0].repair.split(";")[0] if found else ""
    fits = told.partition("torch_npu ")[2] if told.startswith("with torch ") else ""
    verdict = (
        f"{counted(len(symbols), 'symbol')} missing in {counted(len(found), 'object')}" if found else "clean"
    )
    left = ", ".join(str(count) for count in report.left_to_host.values())
    cells = [pair.machine, pair.torch, pair.torch_npu, verdict, first, fits, left]
    return f"| {' | '.join(cells)} |", pair.fits == (not found)


def table(pairs: Sequence[Pair], store: Store) -> tuple[str, bool]:
    """Return the table of all pairs, and whether every verdict is right."""
    head = "| machine | torch | torch_npu | verdict | first missing | torch_npu that fits | symbols left to CANN |"
    finder = Finder(Http())
    rows = [row(pair, audit_pair(pair, finder, store)) for pair in pairs]
    return "\n".join([head, "|---" * 7 + "|", *(text for text, _ in rows)]), all(right for _, right in rows)


def main() -> int:
    """Audit every pair and print or write the table; 1 when a verdict is wrong."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--out", type=Path, help="file whose part after the line `<!-- pairs -->` is replaced")
    chosen = words.parse_args()
    text, right = table(PAIRS, Store())
    print(text)
    if chosen.out:
        head = chosen.out.read_text("utf-8").partition("<!-- pairs -->")[0]
        chosen.out.write_text(f"{head}<!-- pairs -->\n{text}\n", "utf-8")
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
