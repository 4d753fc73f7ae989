"""A project folder, its store and its wheelhouses on a real NFS, where two hosts work at once."""

from __future__ import annotations

from nfs_lan import Lan

pytest_plugins = ["machine_fixtures"]


def both_say(lan: Lan, first: str, second: str) -> list[str]:
    """Let both hosts begin at once, once the first has made a project; return what they print."""
    begun = "until_there go; project /mnt/hard/project/one"
    lan.start(
        f"project /mnt/hard/project/one found 0; touch /job/founded; {begun} {first}; until_there off",
        f"{begun} {second}; touch /job/done; until_there off",
    )
    lan.clients[0].wait_for("founded")
    lan.clients[1].wait_for("mounted")
    for one in lan.clients:
        one.tell("go")
    lan.clients[1].wait_for("done")
    for one in lan.clients:
        one.tell("off")
    return [one.finish() for one in lan.clients]


def test_hosts_write_the_files_of_one_lock_at_once_and_read_them_whole(lan: Lan) -> None:
    said = both_say(lan, "sets 1", "sets 2")
    assert ["read 30 of 30 whole" in one for one in said] == [True, True], said


def test_hosts_make_one_wheelhouse_at_once(lan: Lan) -> None:
    said = both_say(lan, "make 1", "make 2")
    assert ["made a whole one of" in one for one in said] == [True, True], said
