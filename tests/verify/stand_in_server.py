"""A scripted server that behaves, and misbehaves, as SGLang's was seen to: `stand_in_server.py KNOBS PORT`.

KNOBS is a JSON object: `refuse` (seconds until it listens), `refuse_until` (a file that is there before it
does), `warm` (seconds of 503), `children`, `on_term`
(`tree`: kill the whole tree as SGLang does, `zero`, `hang`, `orphans`), `health_delay`, `scheduler`
(`alive`, `dead`), `garbage`, `die_after` (requests), `exit` (status at start), `raise` (kill the tree at
start), `graphs` (it says that graphs are on), `text` (what it says in place of words), `context` (how many
tokens a request may hold), `told_context` (what it says of that, 0 for nothing).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KNOBS: dict[str, Any] = {
    "refuse": 0.0,
    "refuse_until": "",
    "warm": 0.0,
    "children": 1,
    "on_term": "tree",
    "health_delay": 0.0,
    "scheduler": "alive",
    "garbage": False,
    "die_after": 0,
    "exit": 0,
    "raise": False,
    "key": "verify-key",
    "drift": False,
    "model": "tiny",
    "graphs": False,
    "text": None,
    "context": 512,
    "told_context": 0,
}
STARTED = time.monotonic()
CHILDREN: list[subprocess.Popen[bytes]] = []
SERVED = [0]


def tokens(ids: list[int], count: int) -> list[int]:
    """Answer as a greedy model would: the same for the same prompt."""
    seed = sum(ids)
    drift = SERVED[0] if KNOBS["drift"] else 0
    return [(seed * 31 + index * 17 + drift) % 384 for index in range(count)]


class Handler(BaseHTTPRequestHandler):
    """SGLang's paths, as far as the check asks for them."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def answer(self, status: int, value: object) -> None:
        """Send JSON, or garbage where that is asked for."""
        body = b"\x00garbage<" if KNOBS["garbage"] and status == 200 else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Health, models and facts."""
        if self.path == "/health":
            time.sleep(KNOBS["health_delay"])
            warm = time.monotonic() - STARTED < KNOBS["refuse"] + KNOBS["warm"]
            self.answer(503 if warm or KNOBS["scheduler"] == "dead" else 200, {})
        elif self.path == "/v1/models":
            told_context = {"max_model_len": KNOBS["told_context"]} if KNOBS["told_context"] else {}
            self.answer(200, {"data": [{"id": KNOBS["model"], **told_context}]})
        else:
            told = {"version": "0.5.6.post2", "device": "cpu", "disable_cuda_graph": not KNOBS["graphs"]}
            self.answer(200, told)

    def do_POST(self) -> None:
        """Generate, complete, chat."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if KNOBS["scheduler"] == "dead":
            time.sleep(3600)
        if KNOBS["key"] and self.headers["Authorization"] != f"Bearer {KNOBS['key']}":
            self.answer(401, {"error": "Unauthorized"})
            return
        SERVED[0] += 1
        if KNOBS["die_after"] and SERVED[0] > KNOBS["die_after"]:
            kill_tree()
        self.generate(body) if self.path == "/generate" else self.complete(body)

    def generate(self, body: dict[str, Any]) -> None:
        """Answer `/generate`."""
        ids = body["input_ids"]
        if len(ids) > KNOBS["context"]:
            self.answer(400, {"error": "too long"})
        else:
            self.answer(200, {"output_ids": tokens(ids, body["sampling_params"]["max_new_tokens"])})

    def complete(self, body: dict[str, Any]) -> None:
        """Answer the OpenAI paths."""
        if body.get("messages") == []:
            self.answer(400, {"error": "no messages"})
            return
        words = [f"w{token} " for token in tokens([1], body["max_tokens"])]
        words = words if KNOBS["text"] is None else [KNOBS["text"]]
        if body.get("stream"):
            self.stream(words)
        elif "messages" in body:
            self.answer(200, {"choices": [{"message": {"content": "".join(words)}}]})
        else:
            self.answer(200, {"choices": [{"text": "".join(words)}]})

    def stream(self, words: list[str]) -> None:
        """Send server-sent events and close."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for word in words:
            event = {"choices": [{"delta": {"content": word}}]}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True


class Listener(ThreadingHTTPServer):
    """A server whose queue holds all that the check sends at once."""

    request_queue_size = 64


def kill_tree() -> None:
    """Kill the children, then this process: SGLang's own way of ending."""
    for child in CHILDREN:
        child.kill()
    os.kill(os.getpid(), signal.SIGKILL)


def on_term(*_arguments: object) -> None:
    """End as the knobs say."""
    kind = KNOBS["on_term"]
    if kind == "tree":
        kill_tree()
    elif kind == "zero":
        for child in CHILDREN:
            child.kill()
        os._exit(0)
    elif kind == "orphans":
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def complain(text: str) -> None:
    """Write to the log as the real server does."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main() -> None:
    """Start the children, listen, serve."""
    KNOBS.update(json.loads(sys.argv[1]))
    signal.signal(signal.SIGTERM, on_term)
    if KNOBS["exit"]:
        complain("Traceback\nOSError: no such model")
        sys.exit(KNOBS["exit"])
    sleeper = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    for index in range(KNOBS["children"]):
        alone = index > 0
        CHILDREN.append(subprocess.Popen([sys.executable, "-I", "-c", sleeper], start_new_session=alone))
    if KNOBS["raise"]:
        complain("Scheduler hit an exception: RuntimeError: no kernel")
        kill_tree()
    time.sleep(KNOBS["refuse"])
    while KNOBS["refuse_until"] and not Path(KNOBS["refuse_until"]).exists():
        time.sleep(0.01)
    try:
        server = Listener(("127.0.0.1", int(sys.argv[2])), Handler)
    except OSError as error:
        complain(f"ERROR: [Errno {error.errno}] address already in use")
        time.sleep(3600)
        raise
    with contextlib.suppress(KeyboardInterrupt):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
