"""What a look at upstream finds, against an index on the loopback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from index_server import status
from osv_records import osv_record, osv_zip
from small_world import World, wheel
from watched_world import LOCK, STACK, look, told

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.events import Event, JobFinished
from ascend_wheelhouse.vulnerabilities.database import BadVulnerabilitiesError
from ascend_wheelhouse.watch.held import NothingToWatchError, WatchChoice

pytest_plugins = ["watched_fixtures"]

ARM = f"{LOCK}/aarch64"


def _offer(world: World, name: str, version: str, *requires: str, **said: str) -> None:
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    world.index.offer(filename, wheel(name, version, requires), **said)


def test_nothing_new_is_nothing_told_but_what_cannot_be_known(world: World) -> None:
    seen = look(world)
    assert not told(seen)
    assert {one.id for one in seen.findings} == {"unreachable/nnal/files", "unreachable/osv"}
    assert seen.asked
    assert not seen.unread


def test_a_release_of_a_component_tells_that_the_table_does_not_know_it(world: World) -> None:
    _offer(world, "torch-npu", "2.8.0.post4", upload_time="2026-11-20T10:00:00.5Z")
    found = told(look(world))
    one = found["new/torch-npu/2.8.0.post2/2.8.0.post4"]
    assert (one.of, one.published, one.stacks) == ("component", "2026-11-20T10:00:00Z", (STACK,))
    assert one.locks == (ARM,)
    assert "compatibility.toml has no row of it" in one.text
    assert one.facts["table"] is False
    assert one.command == f"invoke watch --apply --only torch-npu --stack {STACK}"


def test_a_release_that_the_table_knows_tells_what_would_have_to_move_with_it(world: World) -> None:
    with (world.root / "recipes/compatibility.toml").open("a") as table:
        table.write(
            '\n[[torch_npu]]\nversion = "2.8.0.post4"\ntorch = "2.8.0"\nascend = "26.0.0"\ncann = "9.0.0"\n'
        )
    text = (world.root / "recipes/compatibility.toml").read_text()
    (world.root / "recipes/compatibility.toml").write_text(
        text.replace('version = "3.2.0"\ncann = ["8.5"]', 'version = "3.2.1"\ncann = ["9.0"]')
    )
    _offer(world, "torch-npu", "2.8.0.post4")
    _offer(world, "triton-ascend", "3.2.1")
    found = told(look(world))
    npu = found["new/torch-npu/2.8.0.post2/2.8.0.post4"]
    assert "CANN 8.5.0 would have to move to 9.0.0, and triton-ascend to 3.2.1." in npu.text
    assert npu.facts["table"] is True
    assert (npu.command, found["new/triton-ascend/3.2.0/3.2.1"].command) == ("", "")
    assert "it is not for CANN 8.5.0" in found["new/triton-ascend/3.2.0/3.2.1"].text
    assert found["new/cann/8.5.0/9.0.0"].of == "table"


def test_a_release_that_cannot_move_alone_is_proposed_with_no_command_that_would_fail(world: World) -> None:
    for name, version in (("torch", "2.8.1"), ("torchvision", "0.23.9")):
        _offer(world, name, version)
    found = told(look(world))
    assert found["new/torch/2.8.0/2.8.1"].command == "invoke plan --torch 2.8.1 --platform aarch64"
    vision = found["new/torchvision/0.23.0/0.23.9"]
    assert vision.command == ""
    assert "torch would have to move with it" in vision.text


def test_a_torch_that_no_stack_has_is_a_line_of_its_own(world: World) -> None:
    _offer(world, "torch", "2.9.0")
    _offer(world, "torch-npu", "2.9.0")
    found = told(look(world))
    one = found["new/torch/2.8.0/2.9.0"]
    assert one.text == (
        "No stack has this line. torch_npu 2.9.0 is published for it. torchvision 0.24.0 goes with it by rule."
    )
    assert (one.stacks, one.command) == ((), "invoke plan --torch 2.9.0 --platform aarch64")
    assert "new/torch-npu/2.8.0.post2/2.9.0" in found


@pytest.mark.parametrize(
    ("version", "said"),
    [("2.8.0.post4", {"yanked": "broken"}), ("2.8.0.post1", {}), ("2.8.1rc1", {})],
    ids=["yanked", "older", "pre-release"],
)
def test_what_could_take_no_ones_place_is_no_news(world: World, version: str, said: dict[str, str]) -> None:
    _offer(world, "torch-npu", version, **said)
    assert not told(look(world))


def test_a_release_for_another_machine_is_no_news(world: World) -> None:
    world.index.offer("torch_npu-2.8.0.post4-cp311-cp311-win_amd64.whl", b"x")
    assert not told(look(world))


def test_a_wheel_moves_inside_what_the_other_wheels_allow(world: World) -> None:
    for version in ("2.4", "3.0"):
        _offer(world, "numpy", version)
    found = told(look(world))
    one = found["new/numpy/2.0/2.4"]
    assert (one.of, one.locks) == ("wheel", (ARM,))
    assert [identifier for identifier in found if "/numpy/" in identifier] == ["new/numpy/2.0/2.4"]


def test_a_yanked_file_is_told_with_its_reason(world: World) -> None:
    old = world.index.files["numpy-2.0-py3-none-any.whl"]
    world.index.offer(old.filename, old.content, yanked="wrong results")
    one = told(look(world))["yanked/numpy/2.0/numpy-2.0-py3-none-any.whl"]
    assert one.text == "numpy-2.0-py3-none-any.whl (wheel) was yanked: wrong results"
    assert one.command == f"invoke watch --apply --only numpy --stack {LOCK}"


def test_a_file_that_is_gone_and_one_with_other_bytes_are_told(world: World) -> None:
    del world.index.files["numpy-2.0-py3-none-any.whl"]
    world.index.offer("numpy-2.1-py2-none-any.whl", b"so that there is a page")
    world.index.offer("tinybuild-1.0-py3-none-any.whl", b"other")
    found = told(look(world))
    gone = found["vanished/numpy/2.0/numpy-2.0-py3-none-any.whl"]
    assert gone.text == "numpy-2.0-py3-none-any.whl (wheel) is offered by no index any more."
    other = found["vanished/tinybuild/1.0/tinybuild-1.0-py3-none-any.whl"]
    assert (
        other.text
        == "tinybuild-1.0-py3-none-any.whl (build environment) is offered with other bytes than the locks say."
    )


def test_a_project_that_cannot_be_asked_is_a_row_and_not_the_end(world: World) -> None:
    _offer(world, "numpy", "2.4")
    world.index.behave("tqdm", *[status(500)] * 9)
    found = told(look(world))
    assert "new/numpy/2.0/2.4" in found
    assert (
        found["unreachable/tqdm/index"].text
        == "could not be asked: 127.0.0.1: The origin, or a proxy before it, is out of order"
    )


def test_where_a_project_fails_its_last_answer_is_used_and_said_to_be_old(world: World) -> None:
    first = look(world)
    world.index.behave("numpy", *[status(500)] * 9)
    found = told(look(world))
    used = re.search(r"its answer of (\S+) is used", found["unreachable/numpy/index"].text)
    assert used
    assert used[1] >= first.asked  # the oldest answer of that look


def test_offline_goes_by_the_last_answers_and_asks_nobody(world: World) -> None:
    _offer(world, "numpy", "2.4")
    online = look(world)
    world.index.asked.clear()
    seen = look(world, offline=True)
    assert not world.index.asked
    assert told(seen) == told(online)
    assert seen.asked == online.asked


def test_offline_without_an_answer_before_says_what_it_cannot_know(world: World) -> None:
    """Its lines said "failed", of places that nobody asked."""
    heard: list[Event] = []
    seen = look(world, offline=True, emit=heard.append)
    assert {one.outcome for one in heard if isinstance(one, JobFinished)} == {"skipped"}
    found = told(seen)
    assert (
        "--offline, and this index was not asked for it before" in found["unreachable/torch-npu/index"].text
    )
    assert not any(one.kind == "vanished" for one in seen.findings)
    assert not seen.asked


def test_a_kept_answer_that_is_garbage_counts_as_none(world: World) -> None:
    kept = world.store / "watch/pages.json"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b'{"schema": 1, "projects": {"numpy": 7}}')
    assert "unreachable/numpy/index" in told(look(world, offline=True))
    assert not told(look(world))


def test_a_vulnerability_tells_whether_its_fix_is_allowed(world: World, tmp_path: Path) -> None:
    inside = osv_record("PYSEC-1", "numpy", {"introduced": "0"}, {"fixed": "2.4"}, aliases=["CVE-2026-1"])
    outside = osv_record("PYSEC-2", "numpy", {"introduced": "0"}, {"fixed": "3.0"})
    open_ = osv_record("PYSEC-3", "tqdm", {"introduced": "0"})
    path = osv_zip(tmp_path / "all.zip", [inside, outside, open_])
    found = told(look(world, vulnerabilities=path))
    assert found["vulnerable/numpy/2.0/2.4/PYSEC-1"].text == (
        "PYSEC-1, CVE-2026-1: numpy does what it should not. 2.4 fixes it, and every lock allows that."
    )
    assert "no lock allows that" in found["vulnerable/numpy/2.0/3.0/PYSEC-2"].text
    assert found["vulnerable/tqdm/4.0/PYSEC-3"].text.endswith("No fixed release is known.")
    assert "unreachable/osv" not in {one.id for one in look(world, vulnerabilities=path).findings}


def test_a_built_wheel_counts_as_the_release_that_it_is_built_from(world: World, tmp_path: Path) -> None:
    path = osv_zip(tmp_path / "all.zip", [osv_record("PYSEC-9", "sglang", versions=["1.0"])])
    assert "vulnerable/sglang/1.0/PYSEC-9" in told(look(world, vulnerabilities=path))


def test_a_database_that_is_none_is_refused_before_anybody_is_asked(world: World, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(b"no zip")
    world.index.asked.clear()
    with pytest.raises(BadVulnerabilitiesError):
        look(world, vulnerabilities=tmp_path / "all.zip")
    assert not world.index.asked


def test_a_choice_narrows_and_one_that_means_nothing_is_refused(world: World) -> None:
    _offer(world, "numpy", "2.4")
    assert told(look(world, choice=WatchChoice(platform="aarch64", npu="a3", torch="2.8.0")))
    assert not told(look(world, choice=WatchChoice(npu="910b")))
    with pytest.raises(NothingToWatchError, match=r"asked for \(--stack mine --torch 2\.99\.0\)"):
        look(world, choice=WatchChoice(stack="mine", torch="2.99.0"))
    with pytest.raises(UsageError, match="Unknown platform 'arm'"):
        look(world, choice=WatchChoice(platform="arm"))
    with pytest.raises(UsageError, match="Unknown NPU chip 'a4'"):
        look(world, choice=WatchChoice(npu="a4"))
