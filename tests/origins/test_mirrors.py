from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.base import settings
from ascend_wheelhouse.make.freshness import given_digest
from ascend_wheelhouse.origins.mirrors import Mirrors, MirrorsError

_TEXT = """
[mirrors]
"https://files.example/" = "https://mirror.example/files/"
"https://files.example/cann/" = "file:///srv/cann/"
"""


@pytest.fixture(autouse=True)
def _no_user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_the_longest_prefix_wins_and_other_urls_stay(tmp_path: Path) -> None:
    (tmp_path / "mirrors.toml").write_text(_TEXT)
    mirrors = Mirrors.read({}, folder=tmp_path)
    assert mirrors.redirect("https://files.example/a/b.whl") == "https://mirror.example/files/a/b.whl"
    assert mirrors.redirect("https://files.example/cann/x.run") == "file:///srv/cann/x.run"
    assert mirrors.redirect("https://other.example/x") == "https://other.example/x"


def test_without_a_file_nothing_is_redirected(tmp_path: Path) -> None:
    assert Mirrors.read({}, folder=tmp_path) == Mirrors()


def test_the_users_file_is_read_and_the_folders_file_beats_it(tmp_path: Path) -> None:
    own = tmp_path / "config" / "ascend-wheelhouse" / "mirrors.toml"
    own.parent.mkdir(parents=True)
    own.write_text(
        '[mirrors]\n"https://a.example/" = "https://user/"\n"https://b.example/" = "https://user/"\n'
    )
    (tmp_path / "mirrors.toml").write_text('[mirrors]\n"https://a.example/" = "https://folder/"\n')
    mirrors = Mirrors.read({}, folder=tmp_path)
    assert mirrors.redirect("https://a.example/") == "https://folder/"
    assert mirrors.redirect("https://b.example/") == "https://user/"


def test_settings_name_mirrors_too_and_the_projects_beat_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, user = tmp_path / "ascend-wheelhouse.toml", tmp_path / "config/ascend-wheelhouse"
    user.mkdir(parents=True)
    text = '[mirrors]\n"https://a.example/" = "https://user/"\n"https://b.example/" = "https://user/"\n'
    (user / "ascend-wheelhouse.toml").write_text(text)
    project.write_text('[mirrors]\n"https://a.example/" = "https://project/"\n')
    plain = given_digest(tmp_path, tmp_path / "store")
    monkeypatch.setattr(settings, "_NOW", [settings.current()])
    settings.use(tmp_path)
    mirrors = Mirrors.read({}, folder=tmp_path)
    assert mirrors.redirect("https://a.example/x") == "https://project/x"
    assert mirrors.redirect("https://b.example/x") == "https://user/x"
    assert Mirrors.read({"WHEELHOUSE_MIRRORS": "https://c/=https://d/"}).redirect("https://a.example/") == (
        "https://a.example/"
    )
    assert given_digest(tmp_path, tmp_path / "store") != plain


def test_the_variable_names_a_file(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text(_TEXT)
    assert (
        Mirrors.read({"WHEELHOUSE_MIRRORS": str(path)})
        .redirect("https://files.example/cann/x")
        .startswith("file:")
    )


def test_the_variable_holds_pairs() -> None:
    pairs = "https://a.example/?q=1=https://m/ https://b.example/=file:///srv/"
    mirrors = Mirrors.read({"WHEELHOUSE_MIRRORS": pairs})
    assert mirrors.redirect("https://a.example/?q=1") == "https://m/"
    assert mirrors.redirect("https://b.example/x") == "file:///srv/x"


def test_every_bad_entry_is_listed(tmp_path: Path) -> None:
    (tmp_path / "mirrors.toml").write_text('[mirrors]\n"nowhere" = "https://m/"\n"https://a/" = 3\n')
    with pytest.raises(
        MirrorsError, match=r"mirrors\.nowhere: .*\n.*mirrors\.https://a/: both sides"
    ) as caught:
        Mirrors.read({}, folder=tmp_path)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("target", ["https://h:port/", "https://h:99999/", "http://[::1/"])
def test_a_mirror_whose_host_or_port_is_none_is_told(target: str) -> None:
    """It was a fault of this tool, at the first request to any host."""
    with pytest.raises(MirrorsError, match="both sides must be URLs"):
        Mirrors.read({"WHEELHOUSE_MIRRORS": f"https://a.example/={target}"})


@pytest.mark.parametrize("text", ["not toml", "", "mirrors = 3\n"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "mirrors.toml").write_text(text)
    with pytest.raises(MirrorsError, match=r"mirrors\.toml"):
        Mirrors.read({}, folder=tmp_path)


def test_a_missing_file_of_the_variable_is_named() -> None:
    with pytest.raises(MirrorsError, match=r"/nothing/mirrors\.toml cannot be read"):
        Mirrors.read({"WHEELHOUSE_MIRRORS": "/nothing/mirrors.toml"})


def test_something_else_than_a_file_is_told(tmp_path: Path) -> None:
    place = tmp_path / "mirrors.toml"
    place.mkdir()
    with pytest.raises(MirrorsError, match="Is a directory") as found:
        Mirrors.read({}, folder=tmp_path)
    assert found.value.next_step.startswith(f"`ls -ld {place}`")
    assert "WHEELHOUSE_MIRRORS" not in found.value.next_step
    place.rmdir()
    place.symlink_to("gone.toml")
    with pytest.raises(MirrorsError, match="No such file"):
        Mirrors.read({}, folder=tmp_path)


def test_the_file_of_the_project_holds_in_folders_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, below = tmp_path / "project", tmp_path / "project/below"
    below.mkdir(parents=True)
    (project / "mirrors.toml").write_text(_TEXT)
    monkeypatch.chdir(below)
    monkeypatch.setattr(settings, "_NOW", [settings.Settings()])
    settings.use(project)
    assert Mirrors.read({}).redirect("https://files.example/a") == "https://mirror.example/files/a"


def test_a_variable_without_a_target_is_told_as_such() -> None:
    with pytest.raises(MirrorsError, match=r"https://github\.com/ says FROM, and =TO is missing"):
        Mirrors.read({"WHEELHOUSE_MIRRORS": "https://github.com/"})


def test_a_target_that_no_client_can_ask_is_refused() -> None:
    with pytest.raises(MirrorsError, match="the second one of https, http, file, ssh or git"):
        Mirrors.read({"WHEELHOUSE_MIRRORS": "https://github.com/=ftp://mirror.example/"})
