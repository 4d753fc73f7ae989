import hashlib
import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tiny_wheels import write_wheel

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.folder.simple_index import IndexedFile, simple_index


def _wheel(folder: Path, name: str, version: str, *, requires: str = "", python: str = "") -> IndexedFile:
    """Write a small valid wheel of one module and return its row."""
    headers = f"Requires-Dist: {requires}\n" if requires else ""
    headers += f"Requires-Python: {python}\n" if python else ""
    filename = f"{re.sub(r'[-_.]+', '_', name).lower()}-{version}-py3-none-any.whl"
    data = write_wheel(folder, filename, name=name, version=version, headers=headers).read_bytes()
    return IndexedFile(
        name=name,
        version=version,
        artifact=Artifact(filename=filename, size=len(data), sha256=hashlib.sha256(data).hexdigest()),
        requires_python=python,
    )


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """Return a wheelhouse of three projects, with a local version and a wheel for no Python of today."""
    root = tmp_path / "wheelhouse"
    (root / "wheels").mkdir(parents=True)
    files = [
        _wheel(root / "wheels", "Alpha.One", "1.0.0+npu", requires="beta-two>=2"),
        _wheel(root / "wheels", "beta-two", "2.0", python=">=3.8"),
        _wheel(root / "wheels", "beta-two", "10.0", python=">=3.8"),
        _wheel(root / "wheels", "beta-two", "99.0", python=">=4"),
    ]
    for path, data in simple_index(files).items():
        assemble.write(root, path, data, "index")
    return root


@pytest.fixture
def served(wheelhouse: Path) -> Iterator[str]:
    """Serve the wheelhouse as static files on the loopback and return its URL."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=wheelhouse)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def _install(command: list[str], url: str, into: Path) -> set[str]:
    words = [*command, "--index-url", f"{url}/simple/", "--target", str(into), "alpha-one"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path.name for path in into.glob("*.dist-info")}


PIP = [
    sys.executable,
    "-m",
    "pip",
    "--isolated",
    "install",
    "-q",
    "--no-cache-dir",
    "--disable-pip-version-check",
]
UV = [
    sys.executable,
    "-m",
    "uv",
    "pip",
    "install",
    "-q",
    "--no-config",
    "--no-cache",
    "--python",
    sys.executable,
]
INSTALLED = {"alpha_one-1.0.0+npu.dist-info", "beta_two-10.0.dist-info"}


@pytest.mark.parametrize("command", [PIP, UV], ids=["pip", "uv"])
def test_it_installs_from_a_folder(command: list[str], wheelhouse: Path, tmp_path: Path) -> None:
    assert _install(command, wheelhouse.as_uri(), tmp_path / "site") == INSTALLED


@pytest.mark.parametrize("command", [PIP, UV], ids=["pip", "uv"])
def test_it_installs_from_a_static_server(command: list[str], served: str, tmp_path: Path) -> None:
    assert _install(command, served, tmp_path / "site") == INSTALLED


@pytest.mark.parametrize("command", [PIP, UV], ids=["pip", "uv"])
def test_a_changed_wheel_is_refused(command: list[str], wheelhouse: Path, tmp_path: Path) -> None:
    """Both installers hold the file to the hash in the link."""
    wheel = wheelhouse / "wheels" / "beta_two-10.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    words = [*command, "--index-url", f"{wheelhouse.as_uri()}/simple/", "--target", str(tmp_path / "site")]
    done = subprocess.run([*words, "beta-two"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "hash" in (done.stdout + done.stderr).lower()


def test_documents_carry_hash_size_and_versions_in_order(wheelhouse: Path) -> None:
    document = json.loads((wheelhouse / "simple/beta-two/index.json").read_text())
    assert document["meta"] == {"api-version": "1.1"}
    assert document["versions"] == ["2.0", "10.0", "99.0"]
    wheel = wheelhouse / "wheels" / "beta_two-2.0-py3-none-any.whl"
    assert document["files"][1] == {
        "filename": wheel.name,
        "url": f"../../wheels/{wheel.name}",
        "hashes": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()},
        "size": wheel.stat().st_size,
        "requires-python": ">=3.8",
    }
    projects = json.loads((wheelhouse / "simple/index.json").read_text())["projects"]
    assert projects == [{"name": "alpha-one"}, {"name": "beta-two"}]


def test_pages_escape_what_html_would_eat(wheelhouse: Path) -> None:
    page = (wheelhouse / "simple/beta-two/index.html").read_text()
    assert 'data-requires-python="&gt;=3.8"' in page
    assert "1.0.0%2Bnpu" in (wheelhouse / "simple/alpha-one/index.html").read_text()


def test_the_order_of_the_input_does_not_show(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    files = [_wheel(tmp_path / "wheels", name, "1.0") for name in ("a", "b", "c")]
    assert list(simple_index(files).items()) == list(simple_index(reversed(files)).items())
