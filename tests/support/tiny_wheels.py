"""Small valid wheels, written member by member with the standard library."""

import base64
import hashlib
import zipfile
from pathlib import Path


def write_wheel(
    folder: Path, filename: str, *, name: str = "", version: str = "", headers: str = "", body: str = ""
) -> Path:
    """Write a wheel of one module under the file name given; return its path.

    Args:
        folder: Where to.
        filename: Any wheel's name.
        name: What METADATA calls it; the file name's first part by default.
        version: What METADATA says; the file name's second part by default.
        headers: More lines for METADATA.
        body: The module's text.
    """
    module, stated, *_ = filename.split("-")
    info = f"{module}-{stated}.dist-info"
    version = version or stated
    members = {
        f"{module}.py": body or f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name or module}\nVersion: {version}\n{headers}",
        f"{info}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
            f"Tag: {filename.removesuffix('.whl').split('-', 2)[2]}\n"
        ),
    }
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in members.items())
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = folder / filename
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    return path


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
