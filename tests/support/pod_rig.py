"""The init container of deploy/kubernetes/daemonset.yaml over a node that is this host under a layer of its own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from farm_rig import ROOT

DAEMONSET = ROOT / "deploy/kubernetes/daemonset.yaml"
# As a container runtime mounts them: the node's root with what lies below, the image without leave to write or run.
_POD = """
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$LAYER/upper,workdir=$LAYER/work" "$LAYER/node"
node="$LAYER/node"
mount -t proc proc "$node/proc"
mount --rbind /dev "$node/dev"
mkdir -p "$node$PLACE"
mount --bind "$IMAGE" "$node$PLACE"
mount -o remount,bind,ro,noexec "$node$PLACE"
eval "$BEFORE"
exec env -i PATH="$PATH" HOME=/root chroot "$node" "$@"
"""
READ_ONLY_OPT = 'mount --bind "$node/opt" "$node/opt"; mount -o remount,bind,ro "$node/opt"'
NO_PYTHON = 'rm "$node/usr/bin/python3.11"'


def pod() -> dict[str, Any]:
    """Return the pod of the example."""
    described: dict[str, Any] = yaml.safe_load(DAEMONSET.read_text())["spec"]["template"]["spec"]
    return described


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node: what pods change of it lies in a layer that outlives them."""

    layer: Path

    def run(
        self, image: Path, texts: Mapping[str, str], before: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run the init container with an image's files; what it prints is what `kubectl logs` shows.

        Args:
            image: The files of the image volume.
            texts: What stands in place of words of the example.
            before: Shell commands that change the node (`$node`) first.
        """
        (container,) = pod()["initContainers"]
        chroot, root, *command = container["command"]
        assert (chroot, root) == ("chroot", "/node")
        (place,) = [
            mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "wheelhouse"
        ]
        for old, new in texts.items():
            assert old in command[-1]
            command[-1] = command[-1].replace(old, new)
        settings = {"LAYER": str(self.layer), "IMAGE": str(image), "BEFORE": before}
        return subprocess.run(
            ["unshare", "--mount", "sh", "-euc", _POD, "pod", *command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PLACE": place.removeprefix(root), **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@contextmanager
def node() -> Iterator[Node]:
    """Give a node on which nothing is installed; skip where this host lays no layer over its root."""
    folder = Path(tempfile.mkdtemp(prefix="wh-", dir="/dev/shm"))  # an overlay takes no overlay below
    try:
        for name in ("upper", "work", "node", "empty"):
            (folder / name).mkdir()
        made = Node(layer=folder)
        tried = made.run(folder / "empty", {}, "[ -x $node/usr/bin/python3.11 ] || exit 77; exit 78")
        if tried.returncode != 78:
            pytest.skip(f"no node can be made of this host: {tried.stdout.strip() or 'no python3.11'}")
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
