"""Is what stands here a software NPU? It runs torch_npu's own code on host memory and is no evidence of a node.

Nobody has to say so: each sign is read off the machine or off the process itself. The device files of a real
driver are character devices, which only root of the machine can make; the libraries of the software NPU export
a marker; its driver's files carry the words.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .symbols import NotElfError, read_object

WORDS = "software NPU"
MARKER = "software_npu_marker"
LIBRARY = "libascendcl.so"
NO_EVIDENCE = f"{WORDS}: torch_npu's own code ran on this machine's memory; this is no evidence of a node"


def sign(toolkit: str = "", root: Path = Path("/")) -> str:
    """Return what tells that this machine's NPUs are software, or an empty text.

    Args:
        toolkit: CANN's folder, or empty.
        root: The folder that stands for `/`.
    """
    return next(_signs(toolkit, root), "")


def _signs(toolkit: str, root: Path) -> Iterator[str]:
    for path in sorted((root / "dev").glob("davinci*")):
        if path.name[7:].isdigit() and not stat.S_ISCHR(path.stat().st_mode):
            yield f"/dev/{path.name} is no device of a driver"
    places = [Path(toolkit) / folder / LIBRARY for folder in ("lib64", "runtime/lib64")] if toolkit else []
    yield from (f"{path} says so itself" for path in places if marked(path))
    version = root / "usr/local/Ascend/driver/version.info"
    with suppress(OSError):  # it is not there, or not for this user
        if WORDS in version.read_text(encoding="utf-8", errors="replace"):
            yield f"{version} says so itself"


def marked(library: Path) -> bool:
    """Whether a library is one of the software NPU."""
    try:
        return MARKER in read_object(library).defined
    except (OSError, NotElfError):
        return False


def loaded(maps: Path = Path("/proc/self/maps")) -> bool:
    """Whether this process has the software NPU's runtime in it, wherever it came from."""
    lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    found = {line.split(maxsplit=5)[-1] for line in lines if line.endswith(LIBRARY)}
    return any(marked(Path(path)) for path in found)
