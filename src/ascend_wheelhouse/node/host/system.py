"""The system's own package manager: the command that installs what is missing, as it runs on this node."""

from __future__ import annotations

from pathlib import Path

from ..seen import is_there


def install_command(root: Path, *, apt: str, dnf: str) -> str:
    """Return the command that installs a package of the system.

    Args:
        root: The folder that stands for `/`.
        apt: The package's name on Debian and Ubuntu.
        dnf: The package's name on openEuler and others with RPM.
    """
    if is_there(root / "usr/bin/dnf") or is_there(root / "usr/bin/yum"):
        program = "dnf" if is_there(root / "usr/bin/dnf") else "yum"
        return f"sudo {program} install -y {dnf}"
    return f"sudo apt-get install -y {apt}"
