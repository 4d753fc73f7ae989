"""The wheel of this program as it stands here, for hosts without an index: the same bytes from the same files.

An installed program has no wheel any more, and a clone none yet; both have the modules, the data beside them and the
metadata, which is all that a pure wheel holds. Format: packaging.python.org, "Binary distribution format".
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from importlib import metadata
from pathlib import Path

from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.packaged import packaged

PROJECT = "ascend-wheelhouse"
OF_THE_CLONE = frozenset({"dev.txt"})
_PACKAGE = Path(__file__).parents[1]
_WRITTEN_HERE = {"RECORD", "WHEEL"}
_OF_AN_INSTALL = {"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
_WHEEL = "Wheel-Version: 1.0\nGenerator: ascend-wheelhouse\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class ProgramNotInstalledError(HostUnfitError):
    """The program runs without its metadata, of which a wheel is made."""


def own_wheel() -> tuple[str, bytes]:
    """Return the file name of this program's wheel, and its bytes.

    Raises:
        ProgramNotInstalledError: The program is not installed, not even as an editable one.
    """
    described = _described()
    stem = f"{PROJECT.replace('-', '_')}-{described.version}"
    info = f"{stem}.dist-info"
    members = _modules() | _data() | _information(described, info)
    members[f"{info}/WHEEL"] = _WHEEL.encode()
    rows = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in sorted(members.items())]
    members[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    return f"{stem}-py3-none-any.whl", _archive(members)


def _described() -> metadata.Distribution:
    try:
        return metadata.distribution(PROJECT)
    except metadata.PackageNotFoundError as error:
        raise ProgramNotInstalledError(
            f"{PROJECT} is not installed in this environment.",
            why="It was started from its source files alone, which do not say what it needs.",
            next_step="pip install -e . in the clone, then the same command again",
        ) from error


def _modules() -> dict[str, bytes]:
    paths = (path for path in _PACKAGE.rglob("*") if path.is_file() and not _passing(path, _PACKAGE))
    return {f"{_PACKAGE.name}/{path.relative_to(_PACKAGE).as_posix()}": path.read_bytes() for path in paths}


def _passing(path: Path, folder: Path) -> bool:
    """Tell whether a file is no part of the program: hidden, compiled, or the data, which is added apart."""
    parts = path.relative_to(folder).parts
    return parts[0] == "data" or any(part.startswith(".") or part == "__pycache__" for part in parts)


def _data() -> dict[str, bytes]:
    top = packaged()
    paths = (path for name in ("recipes", "lockfiles") for path in (top / name).rglob("*") if path.is_file())
    named = {path.relative_to(top): path for path in paths if path.name not in OF_THE_CLONE}
    return {
        f"{_PACKAGE.name}/data/{name.as_posix()}": path.read_bytes()
        for name, path in named.items()
        if not any(part.startswith(".") for part in name.parts)
    }


def _information(described: metadata.Distribution, info: str) -> dict[str, bytes]:
    found = {}
    for path in described.files or ():
        top, *rest = path.parts
        if top.endswith(".dist-info") and path.name not in _WRITTEN_HERE | _OF_AN_INSTALL:
            found["/".join([info, *rest])] = Path(str(path.locate())).read_bytes()
    return found


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _archive(members: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(members.items(), key=lambda item: (".dist-info/" in item[0], item[0])):
            member = zipfile.ZipInfo(name)
            member.external_attr, member.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    return written.getvalue()
