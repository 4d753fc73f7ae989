"""The pieces of `deploy/` that need no cluster: the relay between nodes, and the Slurm script with made-up tools."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cann_tree import CannTree
from small_wheelhouse import SmallWheelhouse

from ascend_wheelhouse.bundle.command import bundle_command
from ascend_wheelhouse.folder.installer import build_installer
from ascend_wheelhouse.folder.signing import Signer, generate_key

DIGEST = hashlib.sha256(build_installer()).hexdigest()
DEPLOY = Path(__file__).parents[2] / "deploy"
RELAY = DEPLOY / "ansible_collections/ascend_wheelhouse/cluster/roles/sglang_npu/files/relay.py"


def relay(*words: str | Path) -> dict[str, object]:
    command: list[str | Path] = [sys.executable, RELAY, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer if isinstance(answer, dict) else {"items": done.stdout}


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def place(target: Path, text: bytes) -> dict[str, bool]:
    script = RELAY.with_name("place.py").read_text()
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, target], input=text, capture_output=True, check=True
    )
    return dict(json.loads(done.stdout))


def test_the_relay_is_placed_for_all_to_read_and_only_a_change_counts(tmp_path: Path) -> None:
    target = tmp_path / "var/cache/relay.py"
    assert place(target, b"one\n") == {"changed": True}
    assert place(target, b"one\n") == {"changed": False}
    assert (target.parent.stat().st_mode & 0o7777, target.stat().st_mode & 0o7777) == (0o755, 0o755)
    assert place(target, b"two\n") == {"changed": True}
    assert target.read_bytes() == b"two\n"
    target.parent.chmod(0o700)
    assert place(target, b"two\n") == {"changed": True}
    assert target.parent.stat().st_mode & 0o7777 == 0o755
    assert [path.name for path in target.parent.iterdir()] == ["relay.py"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str, str]]:
    """A folder that is served: the folder, its items and the port."""
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "b.tar").write_bytes(os.urandom(3_000_000))
    items, port = str(relay("index", folder / "b.tar")["items"]), free_port()
    relay("serve", "--folder", folder, "--port", port, "--seconds", "60")
    try:
        yield folder, items, port
    finally:
        relay("stop", "--folder", folder)


def test_a_node_fetches_what_another_one_has(tmp_path: Path, served: tuple[Path, str, str]) -> None:
    folder, items, port = served
    options = ("--folder", tmp_path / "second", "--items", items, "--port", port)
    assert relay("have", *options) == {"have": False}
    answer = relay("fetch", *options, "--peers", "127.0.0.1")
    assert answer == {"changed": True, "sent": {"127.0.0.1": 3_000_000}}
    assert (tmp_path / "second/b.tar").read_bytes() == (folder / "b.tar").read_bytes()
    assert relay("fetch", *options, "--peers", "127.0.0.1") == {"changed": False, "sent": {}}


def test_a_transfer_goes_on_where_it_stopped(tmp_path: Path, served: tuple[Path, str, str]) -> None:
    folder, items, port = served
    (tmp_path / "second").mkdir()
    (tmp_path / "second/b.tar.part").write_bytes((folder / "b.tar").read_bytes()[:2_000_000])
    options = ("--folder", tmp_path / "second", "--items", items, "--port", port)
    assert relay("fetch", *options, "--peers", "127.0.0.1")["sent"] == {"127.0.0.1": 1_000_000}


def test_bytes_that_are_not_the_ones_named_are_thrown_away(
    tmp_path: Path, served: tuple[Path, str, str]
) -> None:
    _, items, port = served
    (tmp_path / "second").mkdir()
    (tmp_path / "second/b.tar.part").write_bytes(b"evil" * 100)
    options = ("--folder", tmp_path / "second", "--items", items, "--port", port)
    assert relay("fetch", *options, "--peers", "127.0.0.1")["sent"] == {"127.0.0.1": 2 * 3_000_000 - 400}
    assert relay("have", *options) == {"have": True}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("index", "gone.tar"), "gone.tar"),
        (("have", "--items", "no list"), "--items"),
        (("have", "--items", '[{"path": "b.tar"}]'), "--items"),
        (("serve", "--folder", "/proc/none"), "/proc/none"),
    ],
)
def test_a_relay_that_cannot_start_says_why_in_one_line(
    tmp_path: Path, words: tuple[str, ...], named: str
) -> None:
    done = subprocess.run(
        [sys.executable, RELAY, *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: "), done.stderr
    assert named in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_relay_takes_the_place_of_the_one_before_it_at_once(tmp_path: Path) -> None:
    """The next run on a node that was cut off comes while its relay still serves."""
    port = free_port()
    try:
        for _ in range(12):
            assert relay("serve", "--folder", tmp_path, "--port", port, "--seconds", "60") == {
                "changed": False
            }
    finally:
        relay("stop", "--folder", tmp_path)


def test_a_port_that_another_program_has_is_told(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        words = [sys.executable, RELAY, "serve", "--folder", tmp_path, "--port", port]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: port {port} cannot be served: ")


@pytest.mark.parametrize("name", ["../first.txt", ".relay.pid", "missing"])
def test_nothing_else_is_served(served: tuple[Path, str, str], name: str) -> None:
    folder, _, port = served
    (folder.parent / "first.txt").touch()
    with contextlib.closing(socket.create_connection(("127.0.0.1", int(port)))) as connection:
        connection.sendall(f"GET /{name} HTTP/1.0\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.0 404")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Signer]:
    """A signed bundle in one file, and its key."""
    folder = tmp_path_factory.mktemp("signed")
    key = generate_key(folder / "key")
    house = SmallWheelhouse(serial=1).write(folder / "house")
    made = bundle_command(house, out=folder / "b.tar", sign_key=key.path, serial=1, allow_incomplete=True)
    return made.paths[0], key


def test_the_installer_is_unpacked_from_a_bundle_once(tmp_path: Path, signed: tuple[Path, Signer]) -> None:
    shutil.copy(signed[0], tmp_path / "b.tar")
    options = ("--folder", tmp_path, "--items", str(relay("index", tmp_path / "b.tar")["items"]))
    target = tmp_path / "installer"
    assert relay("installer", *options, "--target", target) == {"changed": True}
    assert relay("installer", *options, "--target", target) == {"changed": False}
    assert sorted(path.name for path in target.iterdir()) == ["install.py", "manifest.json"]
    assert (target / "install.py").read_bytes() == build_installer()


def test_an_installer_with_another_digest_is_not_even_unpacked(
    tmp_path: Path, signed: tuple[Path, Signer]
) -> None:
    shutil.copy(signed[0], tmp_path / "b.tar")
    options = ("--folder", tmp_path, "--items", str(relay("index", tmp_path / "b.tar")["items"]))
    words: list[str | Path] = [sys.executable, RELAY, "installer", *options, "--installer"]
    words[3:3] = ["--target", tmp_path / "installer"]
    refused = subprocess.run([*words, "0" * 64], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert f"has the sha256 {DIGEST}, not {'0' * 64}: nothing was run" in refused.stderr
    assert not (tmp_path / "installer").exists()
    assert json.loads(subprocess.run([*words, DIGEST], capture_output=True, check=True).stdout) == {
        "changed": True
    }


def test_a_bundle_whose_installer_is_not_one_file_is_refused_by_the_relay(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        for name in ("manifest.json", "install.py"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    options = ("--folder", tmp_path, "--items", str(relay("index", tmp_path / "b.tar")["items"]))
    words: list[str | Path] = [
        sys.executable,
        RELAY,
        "installer",
        *options,
        "--target",
        tmp_path / "installer",
    ]
    refused = subprocess.run(words, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "holds no install.py that is one whole file" in refused.stderr


def _slurm(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the script with a Slurm of one node."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    scripts = {
        "sbcast": 'shift; exec cp "$1" "$2"',
        "srun": 'for word; do case "$word" in --output=*) out="${word#--output=}" ;; '
        '--error=*) err="${word#--error=}" ;; --*) ;; *) break ;; esac; shift; done; '
        'out=$(echo "$out" | sed "s/%N/n1/"); err=$(echo "$err" | sed "s/%N/n1/"); "$@" > "$out" 2> "$err"',
        "python3.11": f'exec {sys.executable} "$@"',
    }
    for name, text in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "TMPDIR": str(folder)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_the_slurm_script_installs_on_a_node_and_keeps_its_answer(
    tmp_path: Path, signed: tuple[Path, Signer]
) -> None:
    bundle, key = signed
    command: list[str | Path] = [
        DEPLOY / "slurm/install.sh",
        bundle,
        tmp_path / "npu",
        key.fingerprint,
        DIGEST,
    ]
    for changed in (True, False):
        done = _slurm(tmp_path, *command)
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / "receipts/n1.json").read_text())["changed"] is changed


def test_what_the_slurm_script_installed_finds_the_cann_that_was_named(
    tmp_path: Path, signed: tuple[Path, Signer], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, key = signed
    tree = CannTree(root=tmp_path / "shared/Ascend")
    tree.root.mkdir(parents=True)
    tree.toolkit("8.3.RC2")
    tree.nnal("8.3.RC2")
    monkeypatch.setenv("ASCEND_ROOT", str(tree.root))
    done = _slurm(tmp_path, DEPLOY / "slurm/install.sh", bundle, tmp_path / "npu", key.fingerprint, DIGEST)
    assert done.returncode == 0, done.stderr
    monkeypatch.delenv("ASCEND_ROOT")
    made = subprocess.run([tmp_path / "npu/run", "env"], capture_output=True, text=True, check=True).stdout
    assert f"ASCEND_HOME_PATH={tree.root}/ascend-toolkit/latest\n" in made
    assert f"ATB_HOME_PATH={tree.root}/nnal/atb/latest/atb/cxx_abi_0\n" in made


def test_the_slurm_script_runs_no_installer_with_another_digest(
    tmp_path: Path, signed: tuple[Path, Signer]
) -> None:
    bundle, key = signed
    words: list[str | Path] = [DEPLOY / "slurm/install.sh", bundle, tmp_path / "npu", key.fingerprint]
    done = _slurm(tmp_path, *words, "0" * 64)
    assert done.returncode == 5
    assert "install.py: FAILED" in (tmp_path / "receipts/n1.log").read_text()
    without = _slurm(tmp_path, *words)
    assert without.returncode != 0
    assert without.stderr.startswith("usage: ")
    assert not (tmp_path / "npu").exists()


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"digest": "0" * 64}, "WrongInstallerError", 5),
        ({"bundle": "a page of a web server"}, "BundleDamagedError", 5),
        ({"python": 'no "python"'}, "InterpreterMissingError", 10),
    ],
)
def test_what_the_slurm_script_refuses_on_a_node_is_an_error_as_any_json_has_it(
    tmp_path: Path,
    signed: tuple[Path, Signer],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    error: str,
    code: int,
) -> None:
    """docs/json.md: `error` names the kind. It was a sentence, and of a bundle that is none nothing came."""
    bundle, key = signed
    if "bundle" in change:
        bundle = tmp_path / "b.tar"
        bundle.write_text(change["bundle"])
    monkeypatch.setenv("SGLANG_NPU_PYTHON", change.get("python", "python3.11"))
    words = (DEPLOY / "slurm/install.sh", bundle, tmp_path / "npu", key.fingerprint)
    done = _slurm(tmp_path, *words, change.get("digest", DIGEST))
    told = json.loads((tmp_path / "receipts/n1.json").read_text())
    assert (done.returncode, told["exit_code"], told["error"]) == (code, code, error)
    assert told.keys() == {"error", "exit_code", "what", "why", "next"}


@pytest.mark.parametrize("digest", [DIGEST, "0" * 64])
def test_the_script_of_the_kubernetes_example_installs_what_has_the_digest(
    tmp_path: Path, signed: tuple[Path, Signer], digest: str
) -> None:
    bundle, key = signed
    house = tmp_path / "house"
    house.mkdir()
    subprocess.run(["tar", "-xf", bundle, "-C", house], check=True)
    lines = (DEPLOY / "kubernetes/daemonset.yaml").read_text().partition("            - |\n")[2].splitlines()
    script = "\n".join(itertools.takewhile(lambda line: line.startswith(" " * 14), lines))
    for name, value in {
        "replace-with-the-sha256": digest,
        "SHA256:replace-with-the-fingerprint-of-the-signer": key.fingerprint,
        "/var/cache/sglang-npu/wheelhouse": str(house),
        "/usr/bin/python3.11": sys.executable,
        "/opt/sglang-npu": str(tmp_path / "npu"),
    }.items():
        assert name in script
        script = script.replace(name, value)
    done = subprocess.run(["/bin/sh", "-euc", script], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (digest == DIGEST), done.stderr
    assert (tmp_path / "npu").exists() == (digest == DIGEST)


@pytest.mark.parametrize(
    "words",
    [
        ("slurm/install.sh",),
        ("farm/ssh-workers.sh",),
        ("farm/ssh-workers.sh", "start", "tls://farm:8786", "/opt/wheelhouse"),
        ("farm/ssh-workers.sh", "stop", "/opt/wheelhouse"),
    ],
)
def test_a_script_without_what_it_needs_shows_how_it_is_called(words: tuple[str, ...]) -> None:
    done = subprocess.run([DEPLOY / words[0], *words[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
