"""A project of small cells that lack nothing: one whose verification passes here, one whose does not."""

from __future__ import annotations

from pathlib import Path

from index_server import Index
from small_wheelhouse import MACHINE
from small_world import World, found, wheel

GOOD, BAD = "torch2.8.0-cann8.5.0", "torch2.9.0-cann8.5.0"
_WHY = "the wheel is a stand-in of a test"
_ANNOUNCED = ("torch-cpu", "torchvision-cpu", "torch-npu-no-cann", "requirements/einops")
_NEWER = {
    "torch2.8.0": "torch2.9.0",
    'torch = "2.8.0"': 'torch = "2.9.0"',
    "0.23.0": "0.24.0",
    "2.8.0.post2": "2.9.0",
    'serving = "small"': 'serving = "strict"',
}


def name_of(stack: str, chip: str) -> str:
    """Return the name of a cell's wheelhouse."""
    return f"sglang1.0-{stack}-{chip}-{MACHINE}"


def whole_cells(root: Path, index: Index) -> World:
    """Make the project in an empty folder.

    Its torch computes nothing. The serving file of the one stack announces that, that of the other does not: there the
    verification fails.
    """
    world = found(root, index)
    recipes = root / "recipes"
    (recipes / "nnal.toml").unlink()
    stack = recipes / f"stacks/{GOOD}.toml"
    text = stack.read_text().replace('nnal = "8.5.0"\n', "")
    stack.write_text(text)
    for old, new in _NEWER.items():
        text = text.replace(old, new)
    (recipes / f"stacks/{BAD}.toml").write_text(text)
    with (recipes / "compatibility.toml").open("a") as table:
        table.write('[[torch_npu]]\nversion = "2.9.0"\ntorch = "2.9.0"\nascend = "7.3.0"\ncann = "8.5.0"\n')
    small = recipes / "serving/small.toml"
    text = small.read_text()
    (recipes / "serving/strict.toml").write_text(text.replace('"small"', '"strict"'))
    announced = "".join(f'"{name}" = "{_WHY}"\n' for name in _ANNOUNCED)
    small.write_text(f"{text}\n[known_failures.all]\n{announced}")
    for name, version, needs in (
        ("torch", "2.9.0", ["numpy"]),
        ("torchvision", "0.24.0", ["torch==2.9.0"]),
        ("torch-npu", "2.9.0", ["torch==2.9.0"]),
    ):
        index.offer(f"{name.replace('-', '_')}-{version}-py3-none-any.whl", wheel(name, version, needs))
    return world
