"""How a container sees the NPUs: devices, volumes and privileges for `docker run` and for Kubernetes.

Source: SGLang's Ascend installation guide, "Method 2: Using docker" (docs/platforms/ascend/ascend_npu.md@0b1520f): host
network and privileges are what RDMA needs; an Atlas A3 node has 16 devices, an Atlas A2 node 8; the cache holds models
and compiled kernels. The token is handed on by name, so that it stands in no command and no process list.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.target import Npu

DEVICES: Final[dict[Npu, int]] = {"a3": 16, "910b": 8}
_MANAGERS = ("/dev/davinci_manager", "/dev/hisi_hdc")
_HOST_PATHS = (
    "/usr/local/sbin",
    "/usr/local/Ascend/driver",
    "/usr/local/Ascend/firmware",
    "/etc/ascend_install.info",
    "/var/queue_schedule",
)
_FILES = {"/etc/ascend_install.info"}
_SHARED_MEMORY = "16g"
_HANDED_ON = ("HF_TOKEN",)
_CACHE = "/root/.cache"
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_NO_VOLUME = re.compile(r"[:\x00-\x1f\x7f]")
"""What no volume of `docker run` can have in its path: its words are split at each `:`."""
_FROM = "sglang-npu"


class UnstatedDevicesError(UsageError):
    """Upstream does not state how many devices a node with that chip has."""


class ModelFolderError(UsageError):
    """A container cannot be given that folder of the node under the same path."""


class ImageNameError(UsageError):
    """That is not the name of an image."""


def devices(npu: Npu) -> list[str]:
    """Return the device files that a container needs.

    Raises:
        UnstatedDevicesError: Nobody states how many there are.
    """
    if npu not in DEVICES:
        raise UnstatedDevicesError(
            f"How many devices a node with chip {npu} has is not stated.",
            why="SGLang's guide tells it of Atlas A3 (16) and Atlas A2 (8) alone.",
            next_step="ls /dev/davinci[0-9]* on the node shows them; --npu 910b prints all the other words",
        )
    return [*(f"/dev/davinci{number}" for number in range(DEVICES[npu])), *_MANAGERS]


def docker_args(npu: Npu, image: str, command: Sequence[str] = (), model: str = "") -> list[str]:
    """Return the words of `docker run` for a node.

    Args:
        npu: The node's chip.
        image: The image's name.
        command: What runs in it; the image's own command when empty.
        model: A folder of the host with the model's weights, seen under the same path, read only.

    `$HOME` in a word is for the node's shell: whoever starts the container has the cache.

    Raises:
        UsageError: The image has no such name, or the model's folder cannot be handed on under its path.
    """
    _require_sound(image, model)
    volumes = [f"{path}:{path}" for path in _HOST_PATHS]
    volumes += [f"$HOME/.cache:{_CACHE}", *([f"{model}:{model}:ro"] if model else [])]
    return [
        *("docker", "run", "--interactive", "--tty", "--rm", "--privileged"),
        *("--network=host", "--ipc=host", f"--shm-size={_SHARED_MEMORY}", "--ulimit=memlock=-1:-1"),
        *(f"--device={device}" for device in devices(npu)),
        *(f"--volume={volume}" for volume in volumes),
        *(f"--env={name}" for name in _HANDED_ON),
        image,
        *command,
    ]


def _require_sound(image: str, model: str) -> None:
    if not _IMAGE.fullmatch(image):
        raise ImageNameError(f"{image!r} is not the name of an image.", next_step="--image REGISTRY/NAME:TAG")
    if not model:
        return
    taken = {*_HOST_PATHS, _CACHE}
    if not model.startswith("/") or model != posixpath.normpath(f"/{model.lstrip('/')}") or model == "/":
        why = "The container sees it under the same path, so that has to be absolute, without `..`, and not all of it."
    elif _NO_VOLUME.search(model):
        why = "A path with `:` or a control character cannot be written as a volume."
    elif model in taken or model.startswith("/dev/"):
        why = "Every container has that path of the node already."
    else:
        return
    raise ModelFolderError(
        f"{model!r} is no folder with weights that a container can be given.",
        why=why,
        next_step="--model /models/NAME; the name of a model of a hub belongs into --command",
    )


def docker_line(words: Sequence[str]) -> str:
    """Return the words as one shell command, an option a line."""
    return " \\\n    ".join(map(_quoted, words)).replace("docker \\\n    run", "docker run", 1)


def _quoted(word: str) -> str:
    return f'"{word}"' if word.startswith("--volume=$HOME/") else shlex.quote(word)


def kubernetes_pod(npu: Npu, image: str, command: Sequence[str] = (), model: str = "") -> dict[str, Any]:
    """Return a Pod with the same devices, volumes and privileges; arguments and errors as for `docker_args`."""
    _require_sound(image, model)
    names = {path: _volume_name(path) for path in (*devices(npu), *_HOST_PATHS, _CACHE)}
    names |= {model: "model"} if model else {}  # of any path, where a volume has letters, digits and dashes
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "sglang-npu", "labels": {"app": "sglang-npu"}},
        "spec": {
            "hostNetwork": True,
            "hostIPC": True,
            "dnsPolicy": "ClusterFirstWithHostNet",
            "restartPolicy": "Always",
            "containers": [
                {
                    "name": "server",
                    "image": image,
                    **({"args": list(command)} if command else {}),
                    "env": [_from_secret(name) for name in _HANDED_ON],
                    "securityContext": {"privileged": True},
                    "volumeMounts": [
                        {"name": name, "mountPath": path, "readOnly": path == model}
                        for path, name in names.items()
                    ],
                }
            ],
            "volumes": [
                {"name": name, "hostPath": {"path": path, "type": _path_type(path)}}
                for path, name in names.items()
            ],
        },
    }


def _from_secret(name: str) -> dict[str, Any]:
    """Return a variable that comes from the site's secret, where there is one."""
    chosen = {"name": _FROM, "key": name, "optional": True}
    return {"name": name, "valueFrom": {"secretKeyRef": chosen}}


def _volume_name(path: str) -> str:
    return path.strip("/").replace("/", "-").replace("_", "-").replace(".", "-").lower()[-63:].strip("-")


def _path_type(path: str) -> str:
    if path.startswith("/dev/"):
        return "CharDevice"
    if path == _CACHE:
        return "DirectoryOrCreate"
    return "File" if path in _FILES else "Directory"


def to_yaml(document: object) -> str:
    """Return plain data as YAML in block form; every text is quoted, so that nothing changes its meaning."""
    return "\n".join(_yaml(document, "")) + "\n"


def _yaml(value: object, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _yaml_item(f"{indent}{key}:", item, f"{indent}  ")
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _yaml(item, f"{indent}  ")
            yield f"{indent}- {first.strip()}"
            yield from rest
    else:
        yield f"{indent}{json.dumps(value)}"


def _yaml_item(head: str, item: object, indent: str) -> Iterator[str]:
    if isinstance(item, (dict, list)) and item:
        yield head
        yield from _yaml(item, indent)
    else:
        yield f"{head} {json.dumps(item)}"
