from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ascend_wheelhouse.base.process import Finished, run
from ascend_wheelhouse.build.conditions import NAMES, NORMAL, VARIED, Conditions, only
from ascend_wheelhouse.build.sandbox import (
    Bubblewrap,
    Cage,
    Mount,
    Namespaces,
    Sandbox,
    SandboxUnavailableError,
    Unsealed,
    find_sandbox,
)

KINDS = [Bubblewrap(), Namespaces()]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def inside(kind: Sandbox, cage: Cage, *argv: str) -> Finished:
    return run(kind.command(cage, argv), check=False, timeout=60)


def python_prefix() -> Mount:
    return Mount(source=Path(sys.base_prefix), target=sys.base_prefix)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_name_resolves_and_the_names_asked_for_are_told(kind: Sandbox, work: Path) -> None:
    code = "import socket\ntry: socket.getaddrinfo('gitee.com', 443)\nexcept OSError: raise SystemExit(7)"
    cage = Cage(work=work, mounts=(python_prefix(),), env={"PATH": "/usr/bin"})
    interpreter = f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    assert inside(kind, cage, interpreter, "-I", "-c", code).status == 7
    assert cage.hosts_asked() == ("gitee.com",)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_address_cannot_be_reached_either(kind: Sandbox, work: Path) -> None:
    connect = "socket.create_connection(('192.0.2.1', 80), 5)"
    code = f"import socket\ntry: {connect}\nexcept OSError as error: print(error.errno)"
    cage = Cage(work=work, mounts=(python_prefix(),), env={"PATH": "/usr/bin"})
    interpreter = f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    assert inside(kind, cage, interpreter, "-I", "-c", code).stdout.strip() == "101"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_host_is_out_of_sight(kind: Sandbox, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the host")
    cage = Cage(work=work, env={"PATH": "/usr/bin", "TOLD": "this"})
    done = inside(kind, cage, "sh", "-c", "env; ls /dev /; ls /root /home; echo > /usr/x")
    assert "of the host" not in done.stdout
    assert "TOLD=this" in done.stdout
    assert not {"davinci0", "vda", "sda", "home", "root"} & set(done.stdout.split())
    assert done.status != 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_store_may_lie_in_a_folder_of_any_name(kind: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "my disk's $HOME"
    (folder / "work").mkdir(parents=True)
    (folder / "env").mkdir()
    shown = Mount(source=folder / "env", target=str(folder / "env"))
    cage = Cage(work=folder / "work", mounts=(shown,), env={"PATH": "/usr/bin"}, cwd="/build")
    done = inside(kind, cage, "sh", "-c", 'touch made; [ -d "$0" ] && ! touch "$0/x"', str(folder / "env"))
    assert done.status == 0, done.stderr
    assert (folder / "work" / "made").exists()


@pytest.mark.parametrize("conditions", [NORMAL, VARIED], ids=["normal", "varied"])
def test_a_build_sees_the_conditions_that_it_was_given(conditions: Conditions, work: Path) -> None:
    cage = Cage(
        work=work,
        env={"PATH": "/usr/bin", "TZ": conditions.timezone},
        cwd=conditions.root,
        conditions=conditions,
    )
    seen = inside(Bubblewrap(), cage, "sh", "-c", "pwd; uname -n; id -un; id -u; umask; nproc; touch made")
    root, host, user, number, mask, cores = seen.stdout.split()
    assert (root, host) == (conditions.root, conditions.hostname)
    assert (user, int(number)) == conditions.user
    assert int(mask, 8) == conditions.umask
    assert conditions.cores in {0, int(cores)}
    assert (work / "made").exists()


def test_each_of_the_nine_conditions_can_be_varied_alone() -> None:
    assert len(NAMES) == 9
    for name in NAMES:
        changed = [other for other in NAMES if getattr(only(name), other) != getattr(NORMAL, other)]
        assert changed == [name]


def test_the_exit_status_of_the_command_comes_through(work: Path) -> None:
    assert inside(Bubblewrap(), Cage(work=work, env={"PATH": "/usr/bin"}), "sh", "-c", "exit 3").status == 3


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_runs_in_it_dies_with_the_one_that_started_it(kind: Sandbox, work: Path) -> None:
    """`kill -9` of a builder kills its child, by the kernel; no build may go on in a tree that the next one takes."""
    held = work / "held"
    script = "exec flock /build/held /bin/sh -c 'echo begun; exec sleep 60'"
    command = kind.command(Cage(work=work, env={"PATH": "/usr/bin:/bin"}), ["/bin/sh", "-c", script])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    assert run(["flock", "--timeout", "20", held, "true"], check=False).status == 0


def test_without_any_sandbox_the_refusal_says_how_to_go_on() -> None:
    with pytest.raises(SandboxUnavailableError, match="No sandbox") as caught:
        find_sandbox(kinds=())
    assert "--no-sandbox" in str(caught.value)
    assert caught.value.exit_code == 10


def test_an_unsealed_build_gets_its_environment_and_its_folders_all_the_same(
    work: Path, tmp_path: Path
) -> None:
    (tmp_path / "env").mkdir()
    mount = Mount(source=tmp_path / "env", target=str(work / "env"))
    cage = Cage(work=work, mounts=(mount,), env={"PATH": "/usr/bin", "A": "b"}, cwd=str(work))
    done = inside(Unsealed(), cage, "sh", "-c", 'echo "$A"; pwd; ls')
    assert done.stdout.split() == ["b", str(work), "env"]
