"""The examples of deploy/farm, as far as they can be held to something without Slurm, GitLab or GitHub."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import dask
import pytest
import yaml
from cryptography import x509
from invoke.parser import Parser

from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.commands.tasks import collection
from ascend_wheelhouse.farm.clusters import slurm_cluster
from ascend_wheelhouse.farm.errors import FarmSettingsError
from ascend_wheelhouse.farm.far_side import PRELOAD

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/farm"
GITLAB, GITHUB = FOLDER / "gitlab-ci.yml", FOLDER / "github-workflow.yml"


def loaded(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    return yaml.safe_load(path.read_text())


def scripts() -> dict[str, str]:
    """Return every shell script of the examples, those inside CI files too."""
    found = {path.name: path.read_text() for path in FOLDER.iterdir() if path.suffix in {".sh", ".sbatch"}}
    found["gitlab"] = "\n".join(loaded(GITLAB)["wheelhouses"]["script"])
    steps = loaded(GITHUB)["jobs"]["wheelhouse"]["steps"]
    found["github"] = "\n".join(step["run"] for step in steps if "run" in step)
    return found


@pytest.mark.parametrize("name", scripts())
def test_every_script_is_one(name: str) -> None:
    done = subprocess.run(["bash", "-n"], input=scripts()[name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
@pytest.mark.parametrize("name", ["worker.sbatch", "ssh-workers.sh"])
def test_shellcheck_finds_nothing(name: str) -> None:
    done = subprocess.run(
        ["shellcheck", "--exclude=SC2016", FOLDER / name], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


@pytest.mark.parametrize("name", scripts())
def test_every_command_of_ours_has_the_options_it_is_given(name: str) -> None:
    """Variables stand for words; the options of TLS are left out."""
    text = scripts()[name].replace("\\\n", " ")
    commands = re.findall(r"^\s*(?:exec |nohup )?(?:\.venv/bin/)?invoke ([^|>\n]+)", text, re.MULTILINE)
    commands = [line for line in commands if not line.startswith("wheelhouse --workers")]
    assert commands
    parser = Parser(contexts=collection(ROOT).to_contexts())
    for line in commands:
        words = [word for word in shlex.split(line) if word != "$@"]
        assert parser.parse_argv(words)[0].name == words[0]


@pytest.mark.parametrize(
    ("environ", "memory"),
    [
        ({"SLURM_MEM_PER_NODE": "65536"}, ["--memory", "65536"]),
        ({"SLURM_MEM_PER_CPU": "2048"}, ["--memory", "32768"]),
        ({"SLURM_MEM_PER_NODE": "0"}, []),
        ({}, []),
    ],
    ids=["--mem", "--mem-per-cpu", "--mem=0", "neither"],
)
def test_a_worker_of_slurm_offers_the_memory_that_its_job_has(
    environ: dict[str, str], memory: list[str], tmp_path: Path
) -> None:
    """With stand-ins of `srun` and `invoke`; without a limit the worker looks itself at what is free."""
    for name, text in {"srun": 'shift 2; exec "$@"', "invoke": "printf '%s\\n' \"$@\""}.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_CPUS_PER_TASK": "16", "SLURM_JOB_ID": "7", "SCHEDULER": "tls://login:8786"}
    done = subprocess.run(
        ["bash", FOLDER / "worker.sbatch"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **job, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    words = done.stdout.splitlines()
    assert words[words.index("--cores") + 1] == "16"
    at = words.index("--memory") if "--memory" in words else len(words)
    assert words[at : at + 2] == memory


@pytest.mark.parametrize("name", ["gitlab", "github"])
def test_the_ci_files_keep_the_matrix_whose_cells_have_committed_locks(name: str) -> None:
    """In one run, whose status is that of `invoke matrix` and not of what reads its output."""
    text = scripts()[name]
    (line,) = re.findall(r"^\s*(?:\.venv/bin/)?invoke ([^|\n]+) \|\s+tee matrix\.json\b", text, re.MULTILINE)
    words = [word for word in shlex.split(line) if word != "$@"]
    (call,) = Parser(contexts=collection(ROOT).to_contexts()).parse_argv(words)
    assert call.args["file"].value == "deploy/matrix.toml"
    matrix = tomllib.loads((ROOT / call.args["file"].value).read_text())
    known = {stack.name for stack in load_catalogue(ROOT / "recipes").stacks}
    assert set(matrix["axes"]["stack"]) <= known
    assert "pipefail" in text
    assert {"matrix.json", "matrix.html"} <= set(artifacts(name))


def test_a_change_of_the_matrix_itself_starts_a_run_as_one_of_its_recipes_does() -> None:
    of_gitlab = loaded(GITLAB)["wheelhouses"]["rules"][1]["changes"]
    of_github = loaded(GITHUB)[True]["pull_request"]["paths"]  # YAML 1.1 reads the key "on" as true
    assert [path.removesuffix("/*") for path in of_gitlab] == of_github
    assert "deploy/matrix.toml" in of_github


def artifacts(name: str) -> list[str]:
    """Return the files that a CI run keeps, however it ends."""
    if name == "gitlab":
        kept = loaded(GITLAB)["wheelhouses"]["artifacts"]
        assert kept["when"] == "always"
        paths: list[str] = kept["paths"]
        return paths
    step = loaded(GITHUB)["jobs"]["wheelhouse"]["steps"][-1]
    assert step["if"] == "always()"
    files: str = step["with"]["path"]
    return files.split()


def test_a_fork_does_not_reach_the_farm() -> None:
    job = loaded(GITHUB)["jobs"]["wheelhouse"]
    assert "head.repo.full_name == github.repository" in job["if"]
    assert loaded(GITHUB)["permissions"] == {"contents": "read"}


def test_the_settings_for_slurm_give_a_job_with_workers_that_build(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """dask-jobqueue writes the job's script; there is no Slurm here to take it."""
    monkeypatch.chdir(tmp_path)
    settings = loaded(FOLDER / "jobqueue.yaml")["jobqueue"]["slurm"]
    given = {key.replace("-", "_"): value for key, value in settings.items()}
    with slurm_cluster(given | {"local_directory": str(tmp_path)}) as cluster:
        text = cluster.job_script()
    assert f"--preload {PRELOAD}" in text
    assert "#SBATCH -p cpu" in text
    assert "WHEELHOUSE_STORE" in text
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("shared-temp-directory", "/home/al ice"),
        ("python", "/opt/my python/bin/python3.11"),
        ("log-directory", "/var/log/$(id)"),
        ("local-directory", "/scratch/'a"),
    ],
)
def test_a_path_that_a_jobs_script_would_take_apart_is_refused(setting: str, path: str) -> None:
    given = {"cores": 1, "memory": "1GiB"}
    with (
        dask.config.set({f"jobqueue.slurm.{setting}": path}),
        pytest.raises(FarmSettingsError, match=setting) as refused,
    ):
        slurm_cluster(given)
    assert path in str(refused.value)


def test_a_certificate_of_the_site_whose_path_has_a_blank_is_refused() -> None:
    site = {
        f"distributed.comm.tls.{name}": "/etc/my farm/cert.pem"
        for name in ("ca-file", "worker.cert", "worker.key")
    }
    with dask.config.set(site), pytest.raises(FarmSettingsError, match="certificate 1"):
        slurm_cluster({"cores": 1, "memory": "1GiB"})


def test_what_a_site_gives_a_scheduler_and_workers_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And all answer HTTP on the loopback alone; a node whose clock is slow takes the certificate."""
    monkeypatch.chdir(tmp_path)
    site = {
        "jobqueue.slurm.worker-extra-args": ["--lifetime", "7h"],
        "jobqueue.slurm.scheduler-options": {"host": "127.0.0.1", "idle_timeout": "3h"},
        "jobqueue.slurm.job-script-prologue": ["module load gcc"],
    }
    given = {"cores": 1, "memory": "1GiB", "shared_temp_directory": str(tmp_path)}
    with dask.config.set(site), slurm_cluster(given) as cluster:
        text, scheduler = cluster.job_script(), cluster.scheduler
        assert scheduler.idle_timeout == 3 * 3600
        assert cluster.scheduler_address.startswith("tls://127.0.0.1:")
        assert scheduler.http_server.address == "127.0.0.1"
        texts = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    certificate = x509.load_pem_x509_certificate(next(one for one in texts if b"BEGIN CERTIFICATE" in one))
    assert certificate.not_valid_before_utc < dt.datetime.now(tz=dt.UTC) - dt.timedelta(hours=12)
    assert "--lifetime 7h" in text
    assert "--protocol tls " in text
    assert "--dashboard-address 127.0.0.1:0" in text  # `--no-dashboard` alone answers HTTP on every network
    assert text.index("module load gcc") < text.index("exit 172") < text.index("distributed.cli.dask_worker")
