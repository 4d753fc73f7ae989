"""A server of files and two clients on NFS (version 4.2), each a machine with its own kernel."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import Machine, Wire

_SERVER = """
modprobe nfsd
mkdir -p /srv/shared /var/lib/nfs/v4recovery
mount -t ext4 /dev/vda /srv/shared
for one in cache store project; do mkdir -p /srv/shared/$one && chmod 2777 /srv/shared/$one; done
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
# A server knows a client by its host name: of two with one name each is the other after a restart, and their locks go.
_CLIENT = """
echo client{number} >/proc/sys/kernel/hostname
modprobe nfs
ip address add 10.77.{number}.2/24 dev eth0; ip link set eth0 up
mkdir -p /mnt/hard /mnt/soft
until mount -t nfs4 -o vers=4.2 10.77.{number}.1:/ /mnt/hard; do sleep 1; done
mount -t nfs4 -o vers=4.2,soft,timeo=20,retrans=1,nosharecache 10.77.{number}.1:/ /mnt/soft
export PYTHONPATH={source}:{support}
until_there() {{ until [ -f /job/$1 ]; do sleep 0.2; done; }}
site() {{ {python} {program} "$@"; }}
project() {{ {python} {on_project} "$@"; }}
another_user() {{ chmod a+rx /root; setpriv --reuid 1000 --regid 1000 --clear-groups {python} {program} "$@"; }}
touch /job/mounted
{steps}
"""
_WORDS = {
    "python": sys.executable,
    "program": Path(__file__).with_name("nfs_site.py"),
    "on_project": Path(__file__).with_name("nfs_project.py"),
    "source": Path(__file__).parents[2] / "src",
    "support": Path(__file__).parents[1] / "support",
}


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
            script = _CLIENT.format(number=number, steps=todo, **_WORDS)
            client.start(script, wire.end(first=False))
            for name in (self.key.name, f"{self.key.name}.pub"):
                (client.folder / name).write_bytes((self.key.parent / name).read_bytes())
                (client.folder / name).chmod(0o600 if name == self.key.name else 0o644)
