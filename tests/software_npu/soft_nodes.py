"""Software nodes for tests: built and installed once, then copied and spoiled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from node_faults import Fault

from ascend_wheelhouse.verify import software_node

SOURCES = Path(__file__).resolve().parent.parent / "standins" / "cann"
CELL = {"npu": "a3", "cann": "9.1.0", "torch": "2.13.0", "python": f"3.{sys.version_info.minor}"}


def install_packages(folder: Path, made: Path) -> software_node.Node:
    """Make a node in `folder` and install the packages there as the verification does."""
    node = software_node.Node(sources=SOURCES)
    software_node.make(node, made, folder)
    script = (
        "import sys; from pathlib import Path; from ascend_wheelhouse.verify import software_node as node;"
    )
    words = [sys.executable, "-c", f"{script} node.install(Path(sys.argv[1]))", str(made)]
    subprocess.run(software_node.entering(node, folder, words), check=True, capture_output=True)
    return node


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where spoiled nodes are made.

    Args:
        installed: A sound node with CANN installed.
        made: The packages.
        environment: A virtual environment with torch and torch_npu, or one without where no probe needs them.
    """

    installed: Path
    made: Path
    environment: Path

    def run(
        self,
        fault: Fault,
        folder: Path,
        *,
        require_npu: bool = False,
        environment: Path | None = None,
        nodes: tuple[int, int, str] = (1, 0, ""),
    ) -> dict[str, Any]:
        """Make a node with the fault in `folder`, run the probe there and return what came of it.

        Args:
            fault: What is wrong, and the probe.
            folder: An empty folder.
            require_npu: As `--require-npu`.
            environment: Another environment than the workshop's.
            nodes: How many take part, which this is, and where node 0 listens.
        """
        node = replace(software_node.Node(sources=SOURCES), devices=fault.devices, faults=fault.setting)
        place = software_node.make(node, self.made, folder / "node")
        for path in self.installed.joinpath("Ascend").iterdir():
            if path.name not in {"driver", "firmware"}:
                copy = place / "Ascend" / path.name
                shutil.copytree(path, copy, symlinks=True) if not path.is_symlink() else copy.symlink_to(
                    path.readlink()
                )
        (place / "devices").write_text(f"{fault.devices} {fault.identity}\n", encoding="utf-8")
        if fault.change is not None:
            fault.change(place / "Ascend")
        request = folder / "request.json"
        asked: dict[str, Any] = {
            "probe": fault.probe,
            "seconds": fault.seconds,
            "cell": CELL,
            "require_npu": require_npu,
        }
        asked |= {"environment": str(environment or self.environment), "nodes": nodes}
        request.write_text(json.dumps(asked), encoding="utf-8")
        script = Path(__file__).resolve().parent / "on_node.py"
        words = software_node.entering(node, place, [sys.executable, script, request])
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told


def prepared_environment(folder: Path) -> Path:
    """Return an environment with the published torch and torch_npu.

    It is the one that SOFTWARE_NPU_ENVIRONMENT names, or a new one from the package index.
    """
    named = os.environ.get("SOFTWARE_NPU_ENVIRONMENT")
    if named:
        return Path(named)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
    subprocess.run([*pip, "torch==2.13.0", "numpy", "pyyaml"], check=True, capture_output=True)
    subprocess.run([*pip, "--no-deps", "torch_npu==2.13.0"], check=True, capture_output=True)
    return folder


def with_kernels(environment: Path, folder: Path, fault: str = "") -> Path:
    """Return an environment that has all of another one's packages and the stand-ins of the kernels, spoiled or not."""
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python3.*/site-packages")
    (theirs,) = environment.glob("lib/python3.*/site-packages")
    (packages / "beside.pth").write_text(f"{theirs}\n", encoding="utf-8")
    for name in ("sgl_kernel_npu", "custom_ops", "deep_ep"):
        shutil.copytree(SOURCES.parent / "kernels" / name, packages / name)
        (packages / name / "fault").write_text(fault, encoding="ascii")
    return folder
