"""Syntax trees in several threads on Pythons whose parser counts one depth for all (python/cpython#106905)."""

from __future__ import annotations

import subprocess
import sys

import pytest

HAMMER = """
import ast, gc, sys, threading, time
from ascend_wheelhouse.base import ast_lock
if "guarded" in sys.argv:
    ast_lock.serialise()
    ast_lock.serialise()  # once is enough, twice does no harm
gc.callbacks.append(lambda phase, info: time.sleep(0.0001))  # lets another thread in, as finalizers do
gc.set_threshold(5)
faults = []
def work():
    end = time.monotonic() + float(sys.argv[1])
    while not faults and time.monotonic() < end:
        try:
            assert ast.literal_eval("(1, (2, (3, (4, 5))))") == (1, (2, (3, (4, 5))))
        except SystemError as error:
            faults.append(error)
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(faults))
"""


def faults(*words: str) -> int:
    """Return how many threads failed; they go on for the seconds in the first word, or until one fails."""
    ran = subprocess.run([sys.executable, "-c", HAMMER, *words], check=True, capture_output=True, text=True)
    return int(ran.stdout)


def test_threads_that_parse_at_once_end_in_no_error_of_the_parser() -> None:
    assert faults("2", "guarded") == 0


@pytest.mark.skipif(sys.version_info >= (3, 11, 8), reason="fixed in Python 3.11.8")
def test_the_hammer_hits_where_nothing_guards() -> None:
    assert faults("60") > 0
