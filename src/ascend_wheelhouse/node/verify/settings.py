"""One environment under test, what a person asked of it, and the means to reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import place
from ..host import cann
from ..probes.api import normalised
from .sealed import Launcher
from .several_nodes import Nodes

NODE = place.PACKAGE
ALONE = Nodes()


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """What the person asked for.

    Args:
        require_npu: Nothing may be skipped; without an NPU the run fails at once.
        only: Names of the probes to run; all when empty.
        without: Names of the probes to leave out.
        model: Folder of real weights for the server check; a tiny model is made when empty.
        topology: Which of the manifest's serving topologies the server check uses.
        stubs: Folder of stand-in CANN libraries, as the process under test sees it; empty when there is none.
        standins: Folder of stand-in modules for serving on a CPU, likewise.
        pip: Folder that holds a `pip` package for the requirements probe, likewise; the environment's own when empty.
        nodes: The nodes that run this together.
        ascend: The folder of CANN that the person named.
        known: Failures that are announced, `PROBE` or `PROBE/ITEM` to the reason.
    """

    require_npu: bool = False
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    model: str = ""
    topology: str = "single"
    stubs: str = ""
    standins: str = ""
    pip: str = ""
    nodes: Nodes = ALONE
    ascend: str = ""
    known: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One environment under test and the means to reach it.

    Args:
        environment: The virtual environment's folder, as seen from here.
        manifest: The wheelhouse's manifest.
        options: What the person asked for.
        launcher: How its processes are started.
        ascend: What the machine has of Ascend.
        scratch: A folder for the run, reachable from inside as well.
        digest: The sha256 of `manifest.json`, which names the wheelhouse in receipts and reports.
        node: The folder of this package, reachable from inside as well.
    """

    environment: Path
    manifest: Mapping[str, Any]
    options: VerifyOptions
    launcher: Launcher
    ascend: cann.Ascend
    scratch: Path
    digest: str = ""
    node: Path = NODE

    @property
    def python(self) -> str:
        """The environment's interpreter, as the process under test sees it."""
        return self.launcher.inside(self.environment / "bin" / "python")

    @property
    def site_packages(self) -> Path:
        """Where its packages are, as seen from here."""
        folder = f"python{self.manifest.get('cell', {}).get('python', '3.11')}"
        return self.environment / "lib" / folder / "site-packages"

    @property
    def wants_standins(self) -> bool:
        """Whether serving takes stand-in modules here: not on NPUs, nor where the stack's server does without them."""
        return not self.ascend.devices and bool(self.manifest.get("serving", {}).get("standins", True))

    @property
    def standins(self) -> str:
        """The folder of stand-in modules that serving is to have here, or nothing."""
        return self.options.standins if self.wants_standins else ""

    @property
    def held(self) -> frozenset[str]:
        """The distributions that the wheelhouse holds, by normalised name."""
        entries = self.manifest.get("files", [])
        return frozenset(normalised(str(entry["name"])) for entry in entries if entry.get("name"))
