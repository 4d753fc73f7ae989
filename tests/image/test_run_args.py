from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ascend_wheelhouse.cells.target import Npu
from ascend_wheelhouse.image import run_args

GUIDES_MOUNTS = (
    *("/usr/local/sbin", "/usr/local/Ascend/driver", "/usr/local/Ascend/firmware"),
    *("/etc/ascend_install.info", "/var/queue_schedule"),
)


@pytest.mark.parametrize(("npu", "count"), [("a3", 16), ("910b", 8)])
def test_every_npu_of_the_node_and_no_other_is_mapped(npu: Npu, count: int) -> None:
    words = run_args.docker_args(npu, "image")

    mapped = [word for word in words if re.fullmatch(r"--device=/dev/davinci[0-9]+", word)]
    assert mapped == [f"--device=/dev/davinci{number}" for number in range(count)]
    assert {"--device=/dev/davinci_manager", "--device=/dev/hisi_hdc"} <= set(words)


def test_a_chip_whose_number_of_devices_nobody_states_is_refused_and_none_is_made_up() -> None:
    with pytest.raises(
        run_args.UnstatedDevicesError, match=r"^How many devices a node with chip 950 has"
    ) as told:
        run_args.docker_args("950", "image")
    assert told.value.exit_code == 2
    assert "/dev/davinci" in told.value.next_step


def test_the_guides_privileges_and_volumes_are_there() -> None:
    words = run_args.docker_args("a3", "image", ["python", "-V"], model="/models/llama")

    assert {"--privileged", "--network=host", "--ipc=host", "--shm-size=16g"} <= set(words)
    for path in GUIDES_MOUNTS:
        assert f"--volume={path}:{path}" in words
    assert "--volume=$HOME/.cache:/root/.cache" in words
    assert "--env=HF_TOKEN" in words  # by name: the token itself is in no command
    assert "--volume=/models/llama:/models/llama:ro" in words
    assert words[-3:] == ["image", "python", "-V"]


def test_the_nodes_own_shell_says_where_the_cache_is_and_what_the_token_is(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    docker.chmod(0o755)
    line = run_args.docker_line(run_args.docker_args("a3", "image", ["echo", "$HOME"]))
    given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/home/a b"}
    done = subprocess.run(["sh", "-c", line], env=given, capture_output=True, text=True, check=True)
    assert "--volume=/home/a b/.cache:/root/.cache" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-2:] == ["echo", "$HOME"]


def test_a_pod_has_the_cache_and_the_token_where_the_site_has_a_secret() -> None:
    spec = run_args.kubernetes_pod("a3", "image")["spec"]
    (container,) = spec["containers"]
    (token,) = container["env"]
    assert (token["name"], token["valueFrom"]["secretKeyRef"]["optional"]) == ("HF_TOKEN", True)
    cache = next(volume for volume in spec["volumes"] if volume["hostPath"]["path"] == "/root/.cache")
    assert cache["hostPath"]["type"] == "DirectoryOrCreate"
    assert {volume["hostPath"]["path"] for volume in spec["volumes"]} >= set(GUIDES_MOUNTS)


def test_the_printed_command_means_the_same_words() -> None:
    words = run_args.docker_args("910b", "image", ["python", "-c", "print('a b')"])

    assert shlex.split(run_args.docker_line(words).replace("\\\n", "")) == words


@pytest.mark.parametrize(("npu", "count"), [("a3", 18), ("910b", 10)])
def test_a_pod_has_the_same_devices(npu: Npu, count: int) -> None:
    spec = run_args.kubernetes_pod(npu, "image", ["python"], model="/models/m")["spec"]

    devices = [volume for volume in spec["volumes"] if volume["hostPath"]["type"] == "CharDevice"]
    (container,) = spec["containers"]
    assert len(devices) == count
    assert spec["hostNetwork"]
    assert container["securityContext"] == {"privileged": True}
    assert [mount["name"] for mount in container["volumeMounts"]] == [
        volume["name"] for volume in spec["volumes"]
    ]
    assert {mount["mountPath"] for mount in container["volumeMounts"] if mount["readOnly"]} == {"/models/m"}


def _names(pod: dict[str, Any]) -> list[str]:
    return [volume["name"] for volume in pod["spec"]["volumes"]]


def test_volume_names_are_labels_that_kubernetes_takes() -> None:
    names = _names(run_args.kubernetes_pod("a3", "image", model="/data/Models/Llama_3.1-8B"))

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in names)


def _parse(text: str) -> object:
    """Read the block YAML that `to_yaml` writes: mappings, lists and JSON scalars."""
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in text.splitlines()]

    def block(at: int, indent: int) -> tuple[object, int]:
        found: Any = [] if lines[at][1].startswith("- ") else {}
        while (
            at < len(lines)
            and lines[at][0] == indent
            and isinstance(found, list) == lines[at][1].startswith("- ")
        ):
            content = lines[at][1].removeprefix("- ") if isinstance(found, list) else lines[at][1]
            if isinstance(found, list):
                if not re.match(r"[A-Za-z]+:", content):
                    found.append(json.loads(content))
                    at += 1
                    continue
                lines[at] = (indent + 2, content)
                value, at = block(at, indent + 2)
                found.append(value)
                continue
            key, _, rest = content.partition(":")
            if rest.strip():
                found[key] = json.loads(rest)
                at += 1
            else:
                found[key], at = block(at + 1, lines[at + 1][0])
        return found, at

    return block(0, 0)[0]


def test_yaml_says_what_the_pod_says() -> None:
    pod = run_args.kubernetes_pod(
        "910b", "registry:5000/image:1", ["--port", "30000", "yes: no #"], model="/m"
    )

    assert _parse(run_args.to_yaml(pod)) == pod


@pytest.mark.parametrize(
    "model",
    [
        "Qwen/Qwen3-8B",
        "/",
        "//models",
        "/models/../m",
        "/a:b",
        "/a\nb",
        "/root/.cache",
        "/usr/local/sbin",
        "/dev/davinci0",
    ],
)
def test_a_folder_of_weights_that_no_container_can_be_given_is_refused(model: str) -> None:
    for made in (run_args.docker_args, run_args.kubernetes_pod):
        with pytest.raises(run_args.ModelFolderError, match="is no folder with weights") as told:
            made("a3", "image", model=model)
        assert told.value.exit_code == 2
        assert "--model /models/NAME" in told.value.next_step


@pytest.mark.parametrize("model", ["/a b", "/mnt/m,x", "/root/.cache/huggingface/m", "/models/Llama_3.1-8B"])
def test_any_other_folder_is_handed_on(model: str) -> None:
    assert f"--volume={model}:{model}:ro" in run_args.docker_args("a3", "image", model=model)


@pytest.mark.parametrize("image", ["", "-v", "a b", "$(id)", "a\nb"])
def test_what_is_no_name_of_an_image_is_refused(image: str) -> None:
    for made in (run_args.docker_args, run_args.kubernetes_pod):
        with pytest.raises(run_args.ImageNameError, match="not the name of an image") as told:
            made("a3", image)
        assert told.value.exit_code == 2


@pytest.mark.parametrize(
    "model", ["/models/Qwen 3@w8a8", "/models/DeepSeek+V3", "/mnt/~", "/\u6a21\u578b", "/root-cache"]
)
def test_the_volumes_of_a_pod_have_names_that_kubernetes_takes(model: str) -> None:
    """Names of volumes are labels of DNS (RFC 1123), and a model's folder may be called anything."""
    pod = run_args.kubernetes_pod("a3", "image", model=model)
    assert [
        name for name in _names(pod) if not re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    ] == []
    assert len({*_names(pod)}) == len(_names(pod))
