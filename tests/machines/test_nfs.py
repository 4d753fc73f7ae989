"""A cache and a store on a real NFS (version 4.2): a server and two clients, each a machine with its own kernel."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from machine import Machine, MakeMachine, Wire, as_disk, disk

from ascend_wheelhouse.folder.signing import generate_key

_SERVER = """
modprobe nfsd
mkdir -p /srv/shared /var/lib/nfs/v4recovery
mount -t ext4 /dev/vda /srv/shared
mkdir -p -m 2777 /srv/shared/cache /srv/shared/store && chmod 2777 /srv/shared/cache /srv/shared/store
number=1
for card in eth0 eth1; do
  ip address add 10.77.$number.1/24 dev $card; ip link set $card up; number=$((number + 1))
done
mount -t nfsd nfsd /proc/fs/nfsd
echo "/srv/shared 10.77.0.0/16(rw,sync,no_subtree_check,fsid=0,root_squash)" >/etc/exports
exportfs -ra && rpc.mountd -N 3 && rpc.nfsd -N 3 -V 4 8
touch /job/serves
until [ -f /job/off ]; do sleep 0.5; done
"""
_CLIENT = """
modprobe nfs
ip address add 10.77.{number}.2/24 dev eth0; ip link set eth0 up
mkdir -p /mnt/hard /mnt/soft
until mount -t nfs4 -o vers=4.2 10.77.{number}.1:/ /mnt/hard; do sleep 1; done
mount -t nfs4 -o vers=4.2,soft,timeo=20,retrans=1,nosharecache 10.77.{number}.1:/ /mnt/soft
export PYTHONPATH={source}
until_there() {{ until [ -f /job/$1 ]; do sleep 0.2; done; }}
site() {{ {python} {program} "$@"; }}
another_user() {{ chmod a+rx /root; setpriv --reuid 1000 --regid 1000 --clear-groups {python} {program} "$@"; }}
touch /job/mounted
{steps}
"""
_PROGRAM = Path(__file__).with_name("nfs_site.py")
_SOURCE = Path(__file__).parents[2] / "src"

pytest_plugins = ["machine_fixtures"]


@dataclass
class Lan:
    """A server of files and its clients."""

    server: Machine
    clients: list[Machine]
    words: Sequence[str]
    wires: Sequence[Wire]
    key: Path

    def start(self, *steps: str) -> None:
        """Turn all on; each client does its steps. The key is `/job/key` there."""
        self.server.start(
            _SERVER, [*self.words, *(word for one in self.wires for word in one.end(first=True))]
        )
        self.server.wait_for("serves")  # who connects before QEMU listens is not joined, without a word
        for number, (client, wire, todo) in enumerate(
            zip(self.clients, self.wires, steps, strict=True), start=1
        ):
            script = _CLIENT.format(
                number=number, python=sys.executable, program=_PROGRAM, source=_SOURCE, steps=todo
            )
            client.start(script, wire.end(first=False))
            for name in (self.key.name, f"{self.key.name}.pub"):
                (client.folder / name).write_bytes((self.key.parent / name).read_bytes())
                (client.folder / name).chmod(0o600 if name == self.key.name else 0o644)


@pytest.fixture
def lan(machine: MakeMachine, tmp_path: Path) -> Lan:
    key = generate_key(tmp_path / "key")
    words = as_disk(disk(tmp_path / "shared.img", "500M", "mke2fs", "-q", "-t", "ext4"))
    clients = [machine("first"), machine("second")]
    return Lan(machine("server"), clients, words, [Wire.new(), Wire.new()], key.path)


def test_two_hosts_push_at_once_and_any_user_of_another_takes_it(lan: Lan) -> None:
    """Root's files are `nobody`'s there (`root_squash`), and its umask lets nobody else read them."""
    pushes = "umask 077; until_there go; site /mnt/hard/cache /tmp/site push 1 2 3"
    lan.start(
        f"{pushes}; touch /job/pushed; until_there off",
        f"{pushes}; touch /job/pushed; until_there take; umask 022; another_user /mnt/hard/cache /tmp/other pull 1 2 3",
    )
    first, second = lan.clients
    for one in (first, second):
        one.wait_for("mounted")
    for one in (first, second):
        one.tell("go")
    for one in (first, second):
        one.wait_for("pushed")
    second.tell("take")
    assert "pulled 3 of 3" in second.finish()
    first.tell("off")
    said = first.finish() + second.said
    assert "warning" not in said, said


def test_hosts_share_a_store(lan: Lan) -> None:
    """Each brings in thirty files and clears away what killed runs left, all the while."""
    steps = "until_there go; site /mnt/hard/cache /mnt/hard/store/both fill {number}"
    lan.start(*(steps.format(number=number) for number in (1, 2)))
    for one in lan.clients:
        one.wait_for("mounted")
    for one in lan.clients:
        one.tell("go")
    assert ["filled 30 of 30" in one.finish() for one in lan.clients] == [True, True]


def test_a_run_goes_on_without_a_server_that_stands_still(lan: Lan) -> None:
    """Its mount is `soft`, as docs/cache.md says."""
    steps = "site /mnt/soft/cache /tmp/site push 1; touch /job/pushed; until_there still; {}; touch /job/told"
    lan.start(steps.format("site /mnt/soft/cache /tmp/again pull 1"), "until_there off")
    first, second = lan.clients
    first.wait_for("pushed")
    lan.server.stand_still(still=True)
    first.tell("still")
    first.wait_for("told")
    lan.server.stand_still(still=False)
    second.tell("off")
    said = first.finish()
    assert "pulled 0 of 1" in said
    assert "warning" in said
