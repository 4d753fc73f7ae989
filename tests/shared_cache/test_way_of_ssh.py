"""A cache behind SSH is reached as `~/.ssh/config` says: through other hosts, and by its own files of known hosts."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cache_places import SSHD, ssh_server
from site_run import MakeSite, pull, push

from ascend_wheelhouse.shared_cache.ssh_way import command_of

pytest_plugins = ["cache_fixtures"]
pytestmark = pytest.mark.skipif(not SSHD.exists(), reason="openssh-server is not installed")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user whose `ssh` reads this very home, notes that it was called, and whose cache is the host `far`."""
    found = tmp_path / "home"
    monkeypatch.setenv("HOME", str(found))
    with ssh_server(found) as port:
        keys = found / ".ssh"
        (keys / "config").write_text(
            f"Host far near\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {keys}/id_ed25519\n  UserKnownHostsFile ~/.ssh/hosts_of_the_site\n"
        )
        (keys / "known_hosts").rename(keys / "hosts_of_the_site")
        ssh = tmp_path / "bin/ssh"
        ssh.parent.mkdir()
        ssh.write_text(
            f'#!/bin/sh\necho "$@" >>{tmp_path}/called\n'
            f'exec /usr/bin/ssh -F {keys}/config -o UserKnownHostsFile={keys}/hosts_of_the_site "$@"\n'
        )
        ssh.chmod(0o755)
        monkeypatch.setenv("PATH", f"{ssh.parent}{os.pathsep}{os.environ['PATH']}")
        yield found


def _used(tmp_path: Path, site: MakeSite) -> list[str]:
    """Push and pull at `far`; return how `ssh` was called to reach another host."""
    url = f"sftp://far{tmp_path}/cache"
    maker = site("maker", url, pushes=True)
    push(maker, "build-1", b"a bundle")
    assert pull(site("user", url), "build-1") == b"a bundle"
    assert maker.warnings == []
    called = tmp_path / "called"
    lines = called.read_text().splitlines() if called.exists() else []
    return [line for line in lines if not line.startswith("-G ")]


def test_the_files_of_known_hosts_that_the_configuration_names_are_read(
    home: Path, tmp_path: Path, site: MakeSite
) -> None:
    assert not (home / ".ssh/known_hosts").exists()
    assert _used(tmp_path, site) == []


def test_a_file_that_the_configuration_includes_is_read(home: Path, tmp_path: Path, site: MakeSite) -> None:
    config = home / ".ssh/config"
    config.rename(home / ".ssh/of_the_site")
    config.write_text(f"Include {home}/.ssh/of_the_site\n")
    assert _used(tmp_path, site) == []


@pytest.mark.parametrize("how", ["", "ProxyCommand ssh -W %h:%p near"])
def test_the_key_of_a_host_is_known_by_its_alias(
    how: str, home: Path, tmp_path: Path, site: MakeSite
) -> None:
    with (home / ".ssh/config").open("a") as file:
        file.write(f"Host far\n  HostKeyAlias store-of-the-team\n  {how}\n")
    known = home / ".ssh/hosts_of_the_site"
    _, _, key = known.read_text().partition(" ")
    known.write_text((known.read_text() if how else "") + f"store-of-the-team {key}")
    assert bool(_used(tmp_path, site)) == bool(how)


def test_the_users_own_configuration_is_read_where_no_ssh_is_installed(
    home: Path, tmp_path: Path, site: MakeSite
) -> None:
    (home.parent / "bin/ssh").write_text("#!/bin/sh\nexit 127\n")
    assert _used(tmp_path, site) == []


@pytest.mark.parametrize("how", ["ProxyJump near", "ProxyCommand ssh -W %h:%p near"])
def test_a_host_behind_another_is_reached_through_it(
    how: str, home: Path, tmp_path: Path, site: MakeSite
) -> None:
    with (home / ".ssh/config").open("a") as file:
        file.write(f"Host far\n  {how}\n")
    called = _used(tmp_path, site)
    assert called
    assert all("-W" in line and "near" in line for line in called)


def test_what_the_way_to_a_host_has_to_say_is_told_in_one_line(
    home: Path, tmp_path: Path, site: MakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    with (home / ".ssh/config").open("a") as file:
        file.write("Host far\n  ProxyCommand echo no such jump host >&2; exit 1\n")
    user = site("user", f"sftp://far{tmp_path}/cache")
    with user.store():
        pass
    (warning,) = (text for text in user.warnings if "does not answer" in text)
    assert "the way there says: no such jump host" in warning
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        ({}, ""),
        ({"proxyjump": "none", "proxycommand": "none"}, ""),
        ({"proxycommand": "nc -x proxy:1080 %h %p"}, "nc -x proxy:1080 store 2222"),
        ({"proxyjump": "me@a:22"}, "ssh -o BatchMode=yes -W '[store]:2222' -- ssh://me@a:22"),
        ({"proxyjump": "a,b"}, "ssh -o BatchMode=yes -J a -W '[store]:2222' -- ssh://b"),
    ],
)
def test_a_way_is_the_command_that_openssh_would_start(settings: dict[str, str], command: str) -> None:
    assert command_of(settings, "store", 2222, "me") == command
