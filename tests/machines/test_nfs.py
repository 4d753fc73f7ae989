"""A cache and a store on a real NFS, which two hosts share."""

from __future__ import annotations

from nfs_lan import Lan

pytest_plugins = ["machine_fixtures"]


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
