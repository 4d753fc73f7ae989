"""Run a program on a node by its command line alone.

`ansible.builtin.command` sends itself along with each task: a run of this role took 1.9 MB a node, for eight nodes as
much as a fifth of a bundle of 80 MB. This sends the words, and what the program reads from its
standard input, if that was given.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

# The node's own login files may say something; the program's words begin after it, on either stream.
BEGIN = "ascend-wheelhouse-begins"


class ActionModule(ActionBase):
    """Takes `argv`, the words of the command, and `stdin`, a text; answers as `ansible.builtin.command` does.

    With `ignore_unreachable` a node that is not reached is a failure with `away`, so that a `rescue` sees it.
    """

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"argv", "stdin"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run it, and return what it wrote and its exit code."""
        result: dict[str, Any] = super().run(tmp, task_vars or {})
        if self._task.check_mode:
            return result | {"skipped": True, "changed": False}
        words = [_word(word) for word in self._task.args["argv"]]
        try:
            done = self._low_level_execute_command(self._line(words), in_data=self._input())
        except AnsibleConnectionFailure as error:
            if not self._task.ignore_unreachable:
                raise
            return result | {"failed": True, "away": True, "msg": str(error)}
        for stream in ("stdout", "stderr"):
            done[stream] = _own(done[stream])
            done[f"{stream}_lines"] = done[stream].splitlines()
        failed = {"failed": True, "msg": "non-zero return code"} if done["rc"] else {}
        return result | done | {"cmd": words, "changed": True} | failed

    def _line(self, words: list[str]) -> str:
        variables = self._compute_environment_string()
        return f"echo {BEGIN}; echo {BEGIN} >&2; {variables} {shlex.join(words)}"

    def _input(self) -> bytes | None:
        """Return the input, a line where there is none: without any, ssh makes a terminal, which joins the streams."""
        text = str(self._task.args.get("stdin", ""))
        return (text or "\n").encode() if text or self._connection.has_pipelining else None


def _word(word: object) -> str:
    """Return a word as text: ansible-core before 2.19 has made a list of one that is JSON."""
    return json.dumps(word) if isinstance(word, list | dict) else str(word)


def _own(text: str) -> str:
    """Return what the program itself said; all of it where it was never begun."""
    before, begun, after = text.partition(BEGIN)
    return (after if begun else before).strip("\r\n")
