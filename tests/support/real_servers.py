"""Real servers of SGLang on this machine's CPU: their wheelhouse, its verification, and what their parser takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ascend_wheelhouse.cells.serving import PLACEHOLDERS
from ascend_wheelhouse.node.serving.topologies import ROUTER, program_of
from ascend_wheelhouse.verify.program import main

ROOT = Path(__file__).parents[2]
PARSING = """
import argparse, json, sys
from sglang.srt.server_args import ServerArgs
line = argparse.ArgumentParser(exit_on_error=False)
ServerArgs.add_cli_args(line)
bad = {}
for name, words in json.load(sys.stdin).items():
    try:
        unknown = line.parse_known_args(["--model-path", "x", *words])[1]
    except argparse.ArgumentError as error:
        unknown = [str(error)]
    if unknown:
        bad[name] = unknown
print(json.dumps(bad))
"""


def made(words: Sequence[str], output: Path) -> Path:
    """Return a wheelhouse for x86_64, made from its committed lock.

    Args:
        words: Which one, as on the command line.
        output: The folder below which it is made.
    """
    line = [sys.executable, "-m", "invoke", "wheelhouse", *words, "--output", str(output), "--no-audit"]
    done = subprocess.run(
        line, cwd=ROOT, env={**os.environ, "CI": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(output.glob("*-x86_64"))


def verified(wheelhouse: Path, keep: Path, *more: str) -> int:
    """Verify a wheelhouse, keep its environment in a folder, the report beside that, and return the exit code."""
    words = ["--wheelhouse", str(wheelhouse), "--standins", str(ROOT / "tests/standins"), "--keep", str(keep)]
    return main([*words, "--report", str(keep.parent / "report"), *more])


def words_of(table: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the words of every topology that starts SGLang itself, with something in each place that is left open."""
    values = {**dict.fromkeys(PLACEHOLDERS, "7"), "dist_init_addr": "h:5000"}
    programs = {name: program_of(table, name, values) for name in table["topologies"]}
    return {name: list(one.arguments) for name, one in programs.items() if one.module != ROUTER}


def unknown_words(
    served: Path, words: Mapping[str, Sequence[str]], environment: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return the words that the parser of the SGLang in a kept environment does not take, by topology."""
    done = subprocess.run(
        [served / "environment/bin/python", "-s", "-P", "-c", PARSING],
        input=json.dumps({name: list(line) for name, line in words.items()}),
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return told
