"""Builds through a container engine: a stand-in for docker that has one image, this host's system."""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import zipfile
from pathlib import Path

import pytest
from making_builds import cell
from small_wheels import shared_object
from tiny import tiny_job

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build.builder import Builder
from ascend_wheelhouse.build.container import Container, ContainerUnavailableError
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.build.sandbox import Cage, Mount, find_sandbox
from ascend_wheelhouse.build.toolchain import find_toolchain
from ascend_wheelhouse.store.store import Store

CELL = cell({"torch": "2.8.0"})
_ENGINE = """#!{python} -I
import csv, os, sys
words = sys.argv[1:]
if words[:2] == ["image", "inspect"]:
    if words[-1] != "builder:1":
        sys.exit("no such image: " + words[-1])
    print("sha256:0123")
    sys.exit()
if words[0] == "info":
    sys.exit("template: no such field" if "Host" in words[-1] else print("[name=seccomp]"))
assert words.pop(0) == "run"
command = ["bwrap", "--unshare-net", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin"]
for name in os.listdir("/"):
    if os.path.islink("/" + name):
        command += ["--symlink", os.readlink("/" + name), "/" + name]
    elif os.path.isdir("/" + name) and name not in ("build", "lost+found"):
        command += ["--dev-bind", "/" + name, "/" + name]
if "IMAGE_CACHE" in os.environ:
    command += ["--ro-bind", os.environ["IMAGE_CACHE"], "/etc/ld.so.cache"]
for name in ("HTTP_PROXY", "no_proxy"):  # as podman hands them on
    if name in os.environ:
        command += ["--setenv", name, os.environ[name]]
while words[0].startswith("--"):
    option = words.pop(0)
    if option == "--rm":
        continue
    value = words.pop(0)
    if option == "--volume":
        source, target, mode = value.split(":")
        command += ["--bind" if mode == "rw" else "--ro-bind", source, target]
    elif option == "--mount":
        (fields,) = csv.reader([value])
        assert fields[0] == "type=bind"
        source, target = (field.partition("=")[2] for field in fields[1:3])
        command += ["--ro-bind" if fields[3:] == ["readonly"] else "--bind", source, target]
    elif option == "--env":
        name, _, text = value.partition("=")
        command += ["--setenv", name, text]
    elif option == "--workdir":
        place = value
    elif option == "--network":
        assert value == "none"
image = words.pop(0)
assert image == "sha256:0123"
os.execvp("bwrap", [*command, "--", "/bin/sh", "-c", 'cd "$0" && exec "$@"', locals().get("place", "/"), *words])
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    interpreter = f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    program.write_text(_ENGINE.replace("{python}", interpreter), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin:{Path(interpreter).parent}")
    return program


@pytest.mark.usefixtures("engine")
def test_the_same_steps_give_the_same_wheel_in_a_container_under_another_key(tmp_path: Path) -> None:
    container = Container.of("builder:1")
    toolchain = find_toolchain({}, probe=container.probe)
    interpreter = container.interpreter("3.11")
    wheels = []
    for name, sandbox in (("sealed", find_sandbox()), ("image", container)):
        job, store = tiny_job(tmp_path / name, CELL)
        builder = Builder(store=store, sandbox=sandbox, emit=silent, interpreter=lambda _: interpreter)
        wheels += builder.build(job, toolchain)
    sealed, contained = wheels
    assert contained.sha256 == sealed.sha256
    assert contained.key != sealed.key
    assert contained.sandbox == "container:builder:1@sha256:0123"


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("own", [{}, {"no_proxy": "of the recipe"}])
def test_a_build_sees_no_proxy_of_the_host(
    own: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:s3cret@proxy.test")
    monkeypatch.setenv("no_proxy", "host.test")
    (tmp_path / "work").mkdir()
    cage = Cage(work=tmp_path / "work", env={"A": "b"} | own)
    seen = run(Container.of("builder:1").command(cage, ["env"])).stdout.splitlines()
    assert "A=b" in seen
    assert [line for line in seen if "proxy" in line.lower()] == [
        f"{name}={text}" for name, text in own.items()
    ]


@pytest.mark.usefixtures("engine")
def test_a_wheel_takes_along_the_library_of_the_image_and_not_its_namesake_of_this_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = shared_object(tmp_path / "image", "libdeep.so.1", code="int deep(void) { return 42; }\n")
    code = "extern int deep(void); int upper(void) { return deep(); }\n"
    upper = shared_object(tmp_path / "image", "libcrypt.so.1", code=code, link=[str(deep)])
    (tmp_path / "ld.so.conf").write_text(f"{upper.parent}\ninclude /etc/ld.so.conf\n")
    cache = tmp_path / "ld.so.cache"
    run(["/sbin/ldconfig", "-X", "-C", cache, "-f", tmp_path / "ld.so.conf"])
    monkeypatch.setenv("IMAGE_CACHE", str(cache))
    made = _linked_with(upper, tmp_path, Container.of("builder:1"))
    with zipfile.ZipFile(Store(tmp_path / "store").path(made.sha256)) as opened:
        opened.extractall(tmp_path / "site")
    (grafted,) = (tmp_path / "site/tiny.libs").glob("libcrypt-*")
    digest = hashlib.sha256(upper.read_bytes()).hexdigest()
    assert grafted.name == f"libcrypt-{digest[:8]}.so.1"
    assert ctypes.CDLL(str(tmp_path / "site/tiny/tiny.so")).PyInit_tiny() == 42
    assert f"grafted libcrypt.so.1 (sha256 {digest}) of container:builder:1@sha256:0123" in made.note


def _linked_with(library: Path, folder: Path, container: Container) -> BuiltWheel:
    """Build the tiny component, linked with a library of an image."""
    code = "extern int upper(void); int PyInit_tiny(void) { return upper(); }"
    steps = [
        ("sh", "-c", f"echo '{code}' >tiny.c"),
        ("sed", "-i", f's#"tiny.c"#"tiny.c", "{library}"#', "make.py"),
    ]
    repair = {"platform": f"manylinux_2_36_{os.uname().machine}"}
    job, store = tiny_job(folder, CELL, *steps, repair=repair)
    interpreter = container.interpreter("3.11")
    builder = Builder(store=store, sandbox=container, emit=silent, interpreter=lambda _: interpreter)
    (made,) = builder.build(job, find_toolchain({}, probe=container.probe))
    return made


@pytest.mark.usefixtures("engine")
def test_an_image_that_is_not_there_is_told_with_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ContainerUnavailableError, match=r"The image quay\.io/x:1 cannot be used") as caught:
        Container.of("quay.io/x:1")
    assert "no such image" in caught.value.why
    assert "docker pull quay.io/x:1" in caught.value.next_step
    assert Store(tmp_path).usage().results == 0


def test_without_an_engine_the_refusal_says_so() -> None:
    with pytest.raises(ContainerUnavailableError, match="cannot be used") as caught:
        Container.of("builder:1", engines=("no-such-engine",))
    assert caught.value.why == "Neither docker nor podman is installed."


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("name", ["a:b", "a:b,c", 'a:b,"c"', "a,b"])
def test_a_folder_of_any_name_is_seen_in_the_container(tmp_path: Path, name: str) -> None:
    """A word of `--volume` is split at each `:`; the engine refused it, or mounted another folder."""
    work, tools = tmp_path / name, tmp_path / f"tools {name}"
    work.mkdir()
    tools.mkdir()
    (tools / "there").write_text("yes")
    cage = Cage(work=work, mounts=(Mount(source=tools, target="/mnt", writable=False),))
    run(Container.of("builder:1").command(cage, ["cp", "/mnt/there", "/build/"]))
    assert (work / "there").read_text() == "yes"
