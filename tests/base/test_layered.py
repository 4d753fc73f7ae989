from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.base.layered import Layered


def _layers(tmp_path: Path, **files: str) -> Layered:
    for place, text in files.items():
        path = tmp_path / place.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Layered((tmp_path / "own", tmp_path / "packaged"))


def test_a_file_of_the_first_layer_stands_in_place_of_one_of_its_name(tmp_path: Path) -> None:
    both = _layers(
        tmp_path, own__b="mine", packaged__a="theirs", packaged__b="theirs", packaged__c__d="below"
    )
    assert {name: path.read_text() for name, path in both.named("*").items() if path.is_file()} == {
        "a": "theirs",
        "b": "mine",
    }
    assert [path.read_text() for path in both.below("c").named("*").values()] == ["below"]
    assert both.file("b").read_text() == "mine"
    assert both.file("a").read_text() == "theirs"


def test_a_file_that_no_layer_has_is_the_projects_own(tmp_path: Path) -> None:
    assert _layers(tmp_path).file("new") == tmp_path / "own/new"


def test_hidden_files_and_what_lies_in_hidden_folders_are_left_out(tmp_path: Path) -> None:
    both = _layers(tmp_path, own__a="1", own__b__c="2", packaged__d="3")
    for place in ("own/.#a", "own/b/._c", "own/.git/a", "packaged/.d"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).symlink_to("nowhere")
    assert [*both.named("**/*")] == ["a", "b", "b/c", "d"]


def test_every_folder_of_one_name_is_seen(tmp_path: Path) -> None:
    both = _layers(tmp_path, own__s__x="1", packaged__s__y="2")
    assert both.every("*/") == [tmp_path / "own/s", tmp_path / "packaged/s"]


def test_one_folder_is_a_single_layer(tmp_path: Path) -> None:
    assert Layered.of(tmp_path) == Layered((tmp_path,))
