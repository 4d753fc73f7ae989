from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_wheelhouse.origins.pip_config import PipConfig, PipConfigError

_A, _B, _C = ("https://a.example/simple", "https://b.example/simple", "https://c.example/simple")


def _read(tmp_path: Path, text: str = "", **variables: str) -> PipConfig:
    path = tmp_path / "pip.conf"
    path.write_text(text)
    return PipConfig.read(variables, files=[path])


def test_without_configuration_pips_defaults_hold(tmp_path: Path) -> None:
    config = _read(tmp_path)
    assert config == PipConfig()
    assert (config.timeout, config.retries) == (15.0, 5)
    assert len(config.index_urls) == 1
    assert config.index_urls[0].startswith("https://")


def test_a_file_is_read_in_pips_format(tmp_path: Path) -> None:
    text = f"""
[global]
index-url = {_A}
extra-index-url =
    {_B}
    {_C}
trusted-host = a.example b.example:8080
cert = ~/ca.pem
timeout = 60
"""
    config = _read(tmp_path, text)
    assert config.index_urls == (_A, _B, _C)
    assert config.trusted_hosts == ("a.example", "b.example:8080")
    assert config.cert == Path("~/ca.pem").expanduser()
    assert config.timeout == 60


def test_a_commands_section_beats_the_global_one(tmp_path: Path) -> None:
    text = f"[download]\nindex-url = {_B}\n[global]\nindex-url = {_A}\n[install]\nindex_url = {_C}\n"
    assert _read(tmp_path, text).index_url == _B


def test_a_variable_beats_every_file(tmp_path: Path) -> None:
    text = f"[download]\nindex-url = {_A}\n"
    config = _read(
        tmp_path, text, PIP_INDEX_URL=_B, PIP_EXTRA_INDEX_URL=f"{_A} {_C}", PIP_DEFAULT_TIMEOUT="180"
    )
    assert config.index_urls == (_B, _A, _C)
    assert config.timeout == 180


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert _read(tmp_path, f"[global]\nindex-url = {_A}\n", PIP_INDEX_URL="").index_url == _A


def test_no_file_is_read_when_the_variable_names_the_null_device() -> None:
    assert PipConfig.read({"PIP_CONFIG_FILE": os.devnull}) == PipConfig()


def test_folders_that_do_not_exist_are_left_out(tmp_path: Path) -> None:
    here = tmp_path / "links"
    here.mkdir()
    links = f"{here} {tmp_path}/nothing https://d.example/links.html"
    config = _read(
        tmp_path, PIP_FIND_LINKS=links, PIP_EXTRA_INDEX_URL=f"file://{tmp_path}/nothing {here.as_uri()}"
    )
    assert config.find_links == (str(here), "https://d.example/links.html")
    assert config.extra_index_urls == (here.as_uri(),)


def test_no_index_leaves_find_links_alone(tmp_path: Path) -> None:
    config = _read(tmp_path, PIP_NO_INDEX="1", PIP_INDEX_URL=_A, PIP_EXTRA_INDEX_URL=_B)
    assert config.index_urls == ()


def test_certificates_of_the_environment_are_the_last_choice(tmp_path: Path) -> None:
    assert _read(tmp_path, REQUESTS_CA_BUNDLE="/r.pem").cert == Path("/r.pem")
    assert _read(tmp_path, REQUESTS_CA_BUNDLE="/r.pem", PIP_CERT="/p.pem").cert == Path("/p.pem")


@pytest.mark.parametrize(
    "url",
    [
        *("h", "nowhere/simple", "https://user:word@[::1/simple", "://x", "~"),
        *("https://user:word@h:port/simple", "https://h:99999/simple"),
    ],
)
@pytest.mark.parametrize("name", ["index-url", "extra-index-url"])
def test_an_index_that_is_no_url_is_told_without_its_password(tmp_path: Path, url: str, name: str) -> None:
    conf = f"[global]\n{name} = {url}\n"
    if url == "~":
        assert _read(tmp_path, conf).index_urls[-1].startswith("file:///")
    elif "://" in url or name == "index-url":
        with pytest.raises(
            PipConfigError, match=rf"^pip's setting '{name}' names an index that is no"
        ) as caught:
            _read(tmp_path, conf)
        assert "word" not in str(caught.value)
    else:
        assert _read(tmp_path, conf).extra_index_urls == ()


def test_an_index_that_is_a_folder_is_its_url(tmp_path: Path) -> None:
    config = _read(tmp_path, f"[global]\nindex-url = {tmp_path}\nextra-index-url = {tmp_path}\n")
    assert config.index_urls == (tmp_path.as_uri(), tmp_path.as_uri())


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipConfigError, match=r"pip\.conf cannot be read") as caught:
        _read(tmp_path, "index-url = x\n")
    assert caught.value.exit_code == 2


def test_a_timeout_that_is_no_number_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipConfigError, match=r"^pip's setting 'timeout' is 'soon', which is not a number\."):
        _read(tmp_path, PIP_TIMEOUT="soon")


@pytest.mark.parametrize("retries", ["inf", "nan", "1e999", "-1"])
def test_a_number_of_tries_that_cannot_be_is_told(tmp_path: Path, retries: str) -> None:
    with pytest.raises(PipConfigError, match=r"'retries'"):
        _read(tmp_path, PIP_RETRIES=retries)


def test_pip_reads_the_same_from_the_same_files(tmp_path: Path) -> None:
    """The answer of pip itself, from files of every level, is the measure."""
    user = tmp_path / "home" / ".config" / "pip" / "pip.conf"
    user.parent.mkdir(parents=True)
    user.write_text(f"[global]\nindex-url = {_A}\ntimeout = 7\n[download]\nretries = 2\n")
    site = tmp_path / "etc" / "pip" / "pip.conf"
    site.parent.mkdir(parents=True)
    site.write_text(f"[global]\nindex-url = {_B}\nproxy = proxy.example:8080\n[download]\ntimeout = 9\n")
    environ = {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_DIRS": str(tmp_path / "etc"),
        "PATH": os.environ["PATH"],
    }
    program = (
        "import json; from ascend_wheelhouse.origins.pip_config import PipConfig; c = PipConfig.read();"
        "print(json.dumps([c.index_url, str(int(c.timeout)), str(c.retries), c.proxy]))"
    )
    ours = json.loads(subprocess.check_output([sys.executable, "-c", program], env=environ, text=True))
    listed = subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], env=environ, text=True)
    pips = dict(line.split("=", 1) for line in listed.splitlines())
    wanted = ["global.index-url", "download.timeout", "download.retries", "global.proxy"]
    assert ours == [pips[key].strip("'") for key in wanted]


@pytest.mark.parametrize("own", [None, "", "own.conf", "missing.conf"])
def test_pip_takes_the_same_settings_where_several_files_have_them(tmp_path: Path, own: str | None) -> None:
    """Folders of `XDG_CONFIG_DIRS` come in their order, a key may be written as an option, a timeout in two ways."""
    for place, text in {
        "one/pip/pip.conf": f"[global]\nindex-url = {_A}\ntimeout = 7\nretries = 1\n",
        "two/pip/pip.conf": f"[global]\nindex-url = {_B}\n--extra-index-url = {_C}\ntimeout = 8\n",
        "home/.config/pip/pip.conf": "[global]\ntimeout = 9\n",
        "own.conf": "[global]\nretries = 3\n",
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    environ = {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_DIRS": f"{tmp_path / 'one'}:{tmp_path / 'two'}",
        "PATH": os.environ["PATH"],
        "PIP_DEFAULT_TIMEOUT": "11",
    }
    if own is not None:
        environ["PIP_CONFIG_FILE"] = own and str(tmp_path / own)
    program = (
        "from pip._internal.commands import create_command as c; p = c('download').parser.get_default_values();"
        "from ascend_wheelhouse.origins.pip_config import PipConfig; o = PipConfig.read(); import json;"
        "print(json.dumps([[o.index_url, list(o.extra_index_urls), o.timeout, o.retries],"
        "[p.index_url, p.extra_index_urls, p.timeout, p.retries]]))"
    )
    ours, pips = json.loads(subprocess.check_output([sys.executable, "-c", program], env=environ, text=True))
    assert ours == pips
