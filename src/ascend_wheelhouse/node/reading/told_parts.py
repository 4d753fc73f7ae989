"""Which part of a bundle is missing, of another size or damaged: one alone is copied again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .sources import BundleDamagedError, PartedFile, Region, in_parts


def require_sizes(file: PartedFile, whole: int) -> None:
    """Hold the parts of a bundle to the sizes that they must have: all the same, and the last one the rest.

    Args:
        file: The bundle; one that is no parts is left alone.
        whole: How many bytes it must have.

    Raises:
        BundleDamagedError: A part is missing, too many, or of another size.
    """
    name = in_parts(file.paths)
    sizes = file.sizes
    if not name or not all(sizes) or sum(sizes) == whole:
        return
    limit, _ = max(Counter(sizes).items(), key=lambda item: (item[1], item[0]))
    last = -(-whole // limit)
    for number, (path, size) in enumerate(zip(file.paths, sizes, strict=True), start=1):
        if number > last:
            raise BundleDamagedError(
                f"{path.name} does not belong to {name}, which has {last} parts.",
                why="It is left from an older bundle of that name, or from other parts.",
                next_step="put it elsewhere, then the same command again",
            )
        wanted = limit if number < last else whole - limit * (last - 1)
        if size != wanted:
            raise BundleDamagedError(
                f"{path.name} has {size} bytes, and should have {wanted}.",
                why="It, or a part before it, was cut short, or is of another bundle.",
                next_step="copy that part again, from where the others come from",
            )
    missing = f"{len(sizes) + 1:03d}"
    raise BundleDamagedError(
        f"Part {missing} of {name} is missing.",
        why=f"The parts go from 001 to {last:03d}, by the manifest in the first.",
        next_step=f"copy {name}.{missing} beside the others, and name the first alone",
    )


def holding(regions: Iterable[Region]) -> str:
    """Return the names of the parts that some stretches lie in, as `x.tar.002, x.tar.003`; empty for no parts.

    Where all of them have a part in common, it is that.
    """
    held = [
        {path.name for path in one.file.holding(one.offset, one.size)}
        for one in regions
        if in_parts(one.file.paths)
    ]
    if not held:
        return ""
    return ", ".join(sorted(set.intersection(*held) or set.union(*held)))
