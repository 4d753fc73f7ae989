from __future__ import annotations

from pathlib import Path

import pytest

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.farm import clusters
from ascend_wheelhouse.farm.choice import FarmChoice, farm_choice
from ascend_wheelhouse.farm.connection import is_open_to_others
from ascend_wheelhouse.farm.errors import FarmChoiceError


def chosen(
    scheduler: str = "",
    workers: str = "",
    worker_hosts: str = "",
    worker_count: str = "",
    tls: tuple[str, str, str] = ("", "", ""),
) -> FarmChoice:
    return farm_choice(
        scheduler=scheduler, workers=workers, worker_hosts=worker_hosts, worker_count=worker_count, tls=tls
    )


def test_without_options_there_is_no_farm() -> None:
    assert not chosen()


def test_a_scheduler_or_workers_make_one() -> None:
    assert chosen(scheduler="tcp://10.0.0.1:8786").scheduler == "tcp://10.0.0.1:8786"
    assert chosen(workers="ssh", worker_hosts="a, b,").hosts == ("a", "b")
    assert chosen(workers="slurm", worker_count="4").count == 4


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        ("farm:8786", "does not begin with tcp:// or tls://"),
        ("ucx://farm:8786", "does not begin with tcp:// or tls://"),
        ("tcp://farm", "names no host and port"),
        ("tcp://farm:port", "names no host and port"),
        ("tcp://:8786", "names no host and port"),
        ("tcp://farm:99999", "names no host and port"),
        (f"tcp://farm:{'9' * 5000}", "names no host and port"),
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_is_asked(scheduler: str, words: str) -> None:
    with pytest.raises(FarmChoiceError, match=words):
        chosen(scheduler=scheduler)


def test_every_mistake_is_in_one_report(tmp_path: Path) -> None:
    with pytest.raises(FarmChoiceError) as caught:
        chosen("tcp://farm:1", "k8s", "a", "none", (str(tmp_path / "ca.pem"), "", ""))
    for words in (
        "'k8s' is none of slurm, ssh, local",
        "exclude each other",
        "--worker-hosts belongs to --workers ssh",
        "--worker-count is no number from 1 to 10000",
        "--tls-ca without --tls-cert, --tls-key",
        "begins with tls://",
        f"there is no file {tmp_path / 'ca.pem'}",
    ):
        assert words in caught.value.what
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("count", ["0", "-1", "10001", "9" * 5000])
def test_a_count_of_workers_that_no_host_can_start_is_refused(count: str) -> None:
    with pytest.raises(FarmChoiceError, match="--worker-count is no number from 1 to 10000"):
        chosen(workers="local", worker_count=count)


def test_a_key_with_a_passphrase_is_refused_where_openssl_would_ask(tmp_path: Path) -> None:
    key, cert = tmp_path / "host key.pem", tmp_path / "host.pem"
    cert.write_text("")
    protections = {"-----BEGIN ENCRYPTED PRIVATE KEY-----\n": True, "-----BEGIN EC PRIVATE KEY-----\n": False}
    protections["-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"] = True
    for head, protected in protections.items():
        key.write_text(head)
        files = (str(cert), str(cert), str(key))
        if not protected:
            assert chosen("tls://farm:1", tls=files).key == key
            continue
        with pytest.raises(FarmChoiceError, match="has a passphrase, and nobody can be asked") as caught:
            chosen("tls://farm:1", tls=files)
        assert f"openssl pkey -in '{key}' -out '{key}.plain'" in caught.value.what


def test_workers_over_ssh_need_hosts() -> None:
    with pytest.raises(FarmChoiceError, match="needs --worker-hosts"):
        chosen(workers="ssh")


@pytest.mark.parametrize(
    ("address", "open_to_others"),
    [
        ("tcp://127.0.0.1:8786", False),
        ("tcp://localhost:8786", False),
        ("tcp://[::1]:8786", False),
        ("tls://10.0.0.1:8786", False),
        ("tcp://10.0.0.1:8786", True),
        ("tcp://farm:8786", True),
    ],
)
def test_an_address_without_tls_that_others_reach_is_known(address: str, open_to_others: bool) -> None:  # noqa: FBT001 - parametrised
    assert is_open_to_others(address) == open_to_others


@pytest.mark.parametrize(
    ("named", "told"), [("my/store", "{here}/my/store"), ("/srv/store", "/srv/store"), ("~/store", "~/store")]
)
def test_hosts_are_told_a_relative_store_as_the_folder_that_it_is_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str, told: str
) -> None:
    """They start in the home folder, from which `my/store` would have counted."""
    pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHEELHOUSE_STORE", named)
    given: list[object] = []
    monkeypatch.setattr(clusters, "SshWorkers", lambda *words: given.append(words[2]))
    clusters.start(chosen(workers="ssh", worker_hosts="a"), silent)
    assert given == [{"WHEELHOUSE_STORE": told.format(here=tmp_path)}]
