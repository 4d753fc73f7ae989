from __future__ import annotations

from pathlib import Path
from typing import get_args

import platformdirs
import pytest

from ascend_wheelhouse.base import settings
from ascend_wheelhouse.base.settings import (
    MIRROR_RULE,
    NAME,
    Settings,
    SettingsError,
    SettingsUnreadableError,
    use,
)
from ascend_wheelhouse.cells.file_values import check_cann
from ascend_wheelhouse.cells.request import ToolchainChoice
from ascend_wheelhouse.cells.target import MACHINES, NPUS, PYTHONS, Target, UnknownGlibcError, dotted
from ascend_wheelhouse.commands.tasks.cell import CellOptions
from ascend_wheelhouse.resolve.resolvers import RESOLVERS


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's file, not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config/ascend-wheelhouse" / NAME


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project folder."""
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _where(found: Settings) -> dict[str, tuple[str, str]]:
    return {key: (one.value, one.place.name) for key, one in found.found().items()}


def test_what_is_said_nearer_to_the_command_holds(
    root: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(user, 'platform = "x86_64"\nnpu = "910b"\nresolver = "uv"\nglibc = "2.31"\n')
    _write(root / NAME, 'platform = "x86_64"\nnpu = "910b"\nresolver = "uv"\n')
    monkeypatch.setenv("WHEELHOUSE_NPU", "950")
    monkeypatch.setenv("WHEELHOUSE_PLATFORM", "x86_64")
    assert _where(use(root, {"platform": "aarch64"})) == {
        "platform": ("aarch64", "command line"),
        "npu": ("950", "environment"),
        "resolver": ("uv", "project"),
        "glibc": ("2.31", "user"),
    }


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({}, {"torch": "2.10.0", "cann": "9.0.0", "sglang": "0.5.20"}),
        ({"torch": "2.8.0"}, {"torch": "2.8.0", "sglang": "0.5.20"}),
        ({"stack": "mine"}, {"stack": "mine"}),
        ({"app": "vllm-ascend"}, {"app": "vllm-ascend"}),
        ({"cann": "9.1.0"}, {"torch": "2.10.0", "cann": "9.1.0", "sglang": "0.5.20"}),
    ],
)
def test_another_torch_or_stack_leaves_what_belongs_to_the_former_one(
    root: Path, given: dict[str, str], left: dict[str, str]
) -> None:
    """A CANN that the project names for its torch would be a wrong one for the torch of the command line."""
    _write(root / NAME, 'torch = "2.10.0"\ncann = "9.0.0"\nsglang = "0.5.20"\n')
    assert {key: one.value for key, one in use(root, given).found().items()} == left


def test_every_mistake_of_both_files_is_in_one_report(root: Path, user: Path) -> None:
    _write(user, 'platfrom = "x86_64"\n[mirrors]\n"https://a/" = 3\n')
    _write(root / NAME, 'torch = 2.8\nnpu = "A3"\nstore = true\nresolver = "poetry"\nextra = ["a", 1]\n')
    with pytest.raises(SettingsError) as caught:
        use(root)
    told = caught.value.what.splitlines()
    assert caught.value.exit_code == 2
    assert told == [
        f'{root / NAME}: torch: is a number, write it as text: torch = "2.8"',
        f"{root / NAME}: npu: is 'A3', must be one of a3, 910b, 950; a3 was meant?",
        f'{root / NAME}: store: is a truth value, write it as text: store = "..."',
        f"{root / NAME}: resolver: is 'poetry', must be one of pip-tools, uv",
        f'{root / NAME}: extra: holds 1, write ["one", "two"]',
        f"{user}: platfrom: there is no such key; platform was meant?",
        f'{user}: mirrors.https://a/: {MIRROR_RULE}, write "https://from/" = "https://to/"',
    ]
    assert "platform" in caught.value.why


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("torch = 2.10", 'torch = "2.10"'),
        ("glibc = 2.30", 'glibc = "2.30"'),
        ("npu = 950", 'npu = "950"'),
        ("python = 3.12", 'python = "3.12"'),
        ("python = 3.9", 'python = "3.11"'),
        ("torch = true", 'torch = "..."'),
    ],
)
def test_a_number_is_corrected_to_the_text_that_stands_there(root: Path, line: str, right: str) -> None:
    _write(root / NAME, f"{line}\n")
    with pytest.raises(SettingsError) as caught:
        use(root)
    assert caught.value.what.endswith(f"write it as text: {right}")


@pytest.mark.parametrize("line", ['store = "a\\u0000"', '[mirrors]\n"https://a/" = "file:///b/\\u0000"'])
def test_a_value_that_no_path_can_have_is_in_the_report(root: Path, line: str) -> None:
    _write(root / NAME, f"{line}\n")
    with pytest.raises(SettingsError):
        use(root)


def test_a_value_that_looks_like_none_of_its_kind_is_in_the_report_too(root: Path, user: Path) -> None:
    _write(user, 'torch = "latest"\nsglang = "main"\n')
    _write(root / NAME, 'cann = "8.3"\nglibc = "2.17"\nnpu = "A3"\n')
    with pytest.raises(SettingsError) as caught:
        use(root)
    assert caught.value.what.splitlines() == [
        f"{root / NAME}: cann: is '8.3', must be a CANN version such as 8.3.RC2 or 8.5.0",
        f"{root / NAME}: glibc: is '2.17', must be 2.28 or later, such as 2.34",
        f"{root / NAME}: npu: is 'A3', must be one of a3, 910b, 950; a3 was meant?",
        f"{user}: torch: is 'latest', must be a version such as 2.8.0",
        f"{user}: sglang: is 'main', must be a version such as 0.5.6.post2",
    ]


@pytest.mark.parametrize(
    "cann", ["8.3.RC2", "8.5.0", "8.5.t3", "9.0.0.beta1", "8.3", "4.0.0", "8.5.x", "8.5.0.1"]
)
def test_a_cann_is_judged_as_on_the_command_line(root: Path, cann: str) -> None:
    _write(root / NAME, f'cann = "{cann}"\n')
    try:
        check_cann(cann)
    except ValueError:
        with pytest.raises(SettingsError):
            use(root)
    else:
        assert use(root).in_files("cann") == cann


@pytest.mark.parametrize("glibc", ["2.17", "2.27", "2.28", "2.34", "2.99", "2.100", "3.0", "two"])
def test_a_glibc_is_judged_as_on_the_command_line(root: Path, glibc: str) -> None:
    _write(root / NAME, f'glibc = "{glibc}"\n')
    try:
        Target.named("aarch64", glibc=glibc)
    except UnknownGlibcError:
        with pytest.raises(SettingsError):
            use(root)
    else:
        assert use(root).in_files("glibc") == glibc


@pytest.mark.parametrize("version", ["2.8.0", "v2.8.0", "2.13.0+cpu", "0.5.6.post2", "2.9.0rc1", "1!2.0"])
def test_versions_are_taken(root: Path, version: str) -> None:
    _write(root / NAME, f'torch = "{version}"\nsglang = "{version}"\n')
    assert use(root).in_files("torch") == version


def test_a_file_that_is_no_toml_is_told(root: Path) -> None:
    _write(root / NAME, "torch = [")
    with pytest.raises(SettingsError, match="not TOML"):
        use(root)
    (root / NAME).write_bytes("torch = 1".encode("utf-16"))
    with pytest.raises(
        SettingsError, match=r"not UTF-8: byte 0xff in line 1; it is UTF-16, save it as UTF-8"
    ):
        use(root)
    (root / NAME).write_bytes(b'torch = "2.8.0"\nstore = "\xe4"\n')
    with pytest.raises(SettingsError, match=r"not UTF-8: byte 0xe4 in line 2"):
        use(root)


def test_a_file_that_cannot_be_read_is_told_as_that(root: Path) -> None:
    (root / NAME).mkdir()
    with pytest.raises(SettingsUnreadableError, match="Is a directory") as found:
        use(root)
    assert "keys are" not in found.value.why
    assert found.value.next_step.startswith(f"`ls -ld {root / NAME}`")
    (root / NAME).rmdir()
    (root / NAME).symlink_to("gone.toml")
    with pytest.raises(SettingsUnreadableError, match="No such file"):
        use(root)


def test_a_home_that_is_no_folder_has_no_settings(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/dev/null")
    assert use(root).found() == {}


def test_paths_are_below_the_file_that_names_them(root: Path, user: Path) -> None:
    _write(root / NAME, 'store = "../store"\nsign-key = "~/key"\n')
    _write(user, 'trusted-key = "/etc/keys/signers"\n')
    found = use(root)
    assert found.in_files("store") == str(root / "../store")
    assert found.in_files("sign-key") == str(Path("~/key").expanduser())
    assert found.in_files("trusted-key") == "/etc/keys/signers"


def test_extras_are_a_list_or_text(root: Path) -> None:
    _write(root / NAME, 'extra = ["diffusion", "torchaudio"]\n')
    assert use(root).in_files("extra") == "diffusion,torchaudio"
    _write(root / NAME, 'extra = "diffusion,torchaudio"\n')
    assert use(root).in_files("extra") == "diffusion,torchaudio"


def test_the_users_folder_is_that_of_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.user_folder() == platformdirs.user_config_path("ascend-wheelhouse")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert settings.user_folder() == platformdirs.user_config_path("ascend-wheelhouse")


def test_the_keys_and_choices_are_those_of_the_command_line() -> None:
    assert set(settings.CELL) == set(CellOptions.__dataclass_fields__)
    assert {
        "platform": tuple(MACHINES),
        "npu": tuple(NPUS),
        "python": tuple(map(dotted, PYTHONS)),
        "resolver": RESOLVERS,
        "toolchain": get_args(ToolchainChoice),
    } == settings.CHOICES


@pytest.mark.parametrize("target", ["ftp://mirror.example/", "gopher://x/", "https://", "mirror.example", ""])
def test_a_mirror_that_no_client_asks_is_a_mistake_of_the_settings_too(root: Path, target: str) -> None:
    _write(root / NAME, f'[mirrors]\n"https://a/" = "{target}"\n')
    with pytest.raises(
        SettingsError, match=r"mirrors\.https://a/: both sides must be URLs, and the second one of"
    ):
        use(root)


def test_a_settings_file_of_an_editor_of_windows_is_read(root: Path) -> None:
    (root / NAME).write_bytes(b'\xef\xbb\xbftorch = "2.9.0"\r\n')
    assert _where(use(root)) == {"torch": ("2.9.0", "project")}
