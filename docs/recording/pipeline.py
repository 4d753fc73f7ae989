"""Draws the picture of the pipeline in the README from the table below: `python pipeline.py pipeline.svg`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape


class Step(NamedTuple):
    """One box: its name, and two short lines on what happens there."""

    name: str
    first: str
    second: str


HOST = (
    Step("plan", "which versions", "fit the cell"),
    Step("lock", "every file", "by sha256"),
    Step("fetch", "each from", "its origin"),
    Step("build", "from source,", "no network"),
    Step("assemble", "one folder,", "one manifest"),
    Step("audit", "does it fit,", "file by file?"),
    Step("bundle", "one file,", "signed"),
)
NODE = (
    Step("prove", "signature and", "every digest"),
    Step("install", "a new", "environment"),
    Step("verify", "probes on", "each NPU"),
    Step("serve", "SGLang", "answers"),
)
TITLE = "From recipe to node"
TOLD = (
    "On a host with a network: recipes, stacks and the target go into plan, then lock, fetch, build, assemble, audit "
    "and bundle. What cannot be fetched is imported by invoke vendor. The bundle crosses the air gap. On the node "
    "without a network: prove, install, verify, serve."
)
WIDTH, HEIGHT = 860, 370
BOX, GAP, TALL, LEFT, NODE_LEFT = 98, 20, 66, 27, 263
TOP, WALL, NODE_TOP = 84, 246, 278
STYLE = """
text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#1f2328;text-anchor:middle}
.name{font-size:14px;font-weight:600}.small{fill:#57606a}.left{text-anchor:start}
.page{fill:#fff}.panel{fill:#f6f8fa;stroke:#d0d7de}.box{fill:#fff;stroke:#0969da;stroke-width:1.3}
.line{stroke:#57606a;stroke-width:1.4;fill:none}.head{fill:#57606a}
.wall{stroke:#cf222e;stroke-width:2;stroke-dasharray:8 5}.wallword{fill:#cf222e;font-weight:600}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.page{fill:#0d1117}
.panel{fill:#151b23;stroke:#3d444d}.box{fill:#0d1117;stroke:#4493f8}.line{stroke:#9198a1}.head{fill:#9198a1}
.wall{stroke:#f85149}.wallword{fill:#f85149}}
"""


def drawn() -> str:
    """Return the picture."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">'
    )
    marker = (
        '<marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    )
    parts = [
        head,
        f"<title>{TITLE}</title>",
        f"<desc>{TOLD}</desc>",
        f"<style>{STYLE}</style>",
        f'<defs>{marker}<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>',
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="10"/>',
        *_host(),
        *_node(),
        *_gap(),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _host() -> Iterator[str]:
    yield '<rect class="panel" x="12" y="12" width="836" height="190" rx="8"/>'
    yield _text(LEFT, 36, "On a host with a network", "name left")
    yield from _above(0, 54, "recipes, stacks, target")
    yield from _above(2, 54, "index, releases, git")
    yield from _boxes(HOST, LEFT, TOP)
    yield from _above(2, 190, "pending: invoke vendor FILE", below=True)


def _above(step: int, y: int, words: str, *, below: bool = False) -> Iterator[str]:
    """Yield what goes into a box from above or from below, with its arrow."""
    middle = _middle(step, LEFT)
    yield _text(middle if step else LEFT, y + 6, words, "small" if step else "small left")
    yield _arrow(f"M{middle} {y - 6}V{TOP + TALL + 2}" if below else f"M{middle} {y + 11}V{TOP - 2}")


def _gap() -> Iterator[str]:
    yield f'<path class="wall" d="M12 {WALL}H848"/>'
    yield _text(LEFT, WALL - 6, "air gap", "wallword left")
    start, end = _middle(len(HOST) - 1, LEFT), _middle(0, NODE_LEFT)
    yield _arrow(f"M{start} {TOP + TALL}V{WALL - 28}H{end}V{NODE_TOP - 2}")
    yield _text((start + end) / 2, WALL - 12, "one signed file; its digests go another way", "small")


def _node() -> Iterator[str]:
    yield f'<rect class="panel" x="12" y="{WALL + 18}" width="836" height="{TALL + 28}" rx="8"/>'
    yield _text(LEFT, NODE_TOP + 29, "On a node", "name left")
    yield _text(LEFT, NODE_TOP + 47, "without a network", "name left")
    yield from _boxes(NODE, NODE_LEFT, NODE_TOP)


def _boxes(steps: Sequence[Step], left: int, top: int) -> Iterator[str]:
    for count, step in enumerate(steps):
        x, middle = left + count * (BOX + GAP), _middle(count, left)
        yield f'<rect class="box" x="{x}" y="{top}" width="{BOX}" height="{TALL}" rx="6"/>'
        yield _text(middle, top + 22, step.name, "name")
        yield _text(middle, top + 40, step.first, "small")
        yield _text(middle, top + 55, step.second, "small")
        if count:
            yield _arrow(f"M{x - GAP} {top + TALL // 2}H{x - 2}")


def _middle(count: int, left: int) -> int:
    return left + count * (BOX + GAP) + BOX // 2


def _arrow(path: str) -> str:
    return f'<path class="line" d="{path}" marker-end="url(#a)"/>'


def _text(x: float, y: int, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y}">{escape(words)}</text>'


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(drawn(), "utf-8")
