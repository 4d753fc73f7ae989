"""What a served model must do over HTTP, check by check.

Every check is bounded in time; one that fails does not stop the others unless the server is dead. Prompts and
lengths are fixed, sampling is greedy, so two runs ask for the same tokens.

Real weights have no reference here. What a kernel gives that computes NaN is told all the same: then every token is the
first of the vocabulary, and the text one character over and over (vllm-project/vllm#22518, on an Ascend NPU).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from . import http_client
from .server_process import Server, ServerDiedError, ServerError

_T = TypeVar("_T")

PROMPT_IDS = (1, 40, 51, 62, 73, 84, 95, 106)
NEW_TOKENS = 16

_TOGETHER = 16
_TOLD = ("version", "device", "attention_backend", "tp_size", "disable_cuda_graph")
_CHAT = ({"role": "user", "content": "say one two three"},)


class CheckFailedError(Exception):
    """An answer is not what it must be."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """The client of one server.

    Args:
        server: The running server, watched during every request.
        key: Its API key.
        seconds: Limit of one request.
        model: The served model's name.
        context_length: How many tokens a request may hold, where the server does not say it itself.
        expected: The tokens of the reference implementation; None where the weights have no reference.
    """

    server: Server
    key: str
    seconds: float
    model: str
    context_length: int
    expected: Callable[[], Sequence[int]] | None = None

    def get(self, path: str) -> http_client.Answer:
        """GET, watched."""
        port = self.server.plan.port
        return self._watched(lambda: http_client.get(port, path, seconds=self.seconds, key=self.key))

    def post(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> http_client.Answer:
        """POST, watched."""
        port, used = self.server.plan.port, self.key if key is None else key
        return self._watched(lambda: http_client.post(port, path, body, seconds=self.seconds, key=used))

    def stream(self, path: str, body: Mapping[str, Any]) -> http_client.EventStream:
        """POST and read events, watched."""
        port = self.server.plan.port
        return self._watched(lambda: http_client.stream(port, path, body, seconds=self.seconds, key=self.key))

    def _watched(self, call: Callable[[], _T]) -> _T:
        return self.server.watched(call, self.seconds + 1)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One check: its name, whether it passed, its time and what it found."""

    name: str
    passed: bool
    seconds: float
    evidence: str
    figures: Mapping[str, Any] = field(default_factory=dict)


def run_checks(client: Client, names: Collection[str] | None = None) -> list[Checked]:
    """Run the checks of these names (every one when None) in order; those after the server's death are not tried.

    Without a reference there is nothing to compare with, and no such check among the results.
    """
    done = []
    for name, check in CHECKS:
        if (names is not None and name not in names) or (check is _as_reference and client.expected is None):
            continue
        done.append(_run(name, check, client))
        try:
            client.server.check_alive()
        except ServerDiedError as error:
            if done[-1].passed:
                done.append(Checked(name="alive", passed=False, seconds=0, evidence=str(error)))
            break
    return done


def _run(name: str, check: Callable[[Client], Mapping[str, Any]], client: Client) -> Checked:
    began = time.monotonic()
    figures: Mapping[str, Any] = {}
    evidence = ""
    try:
        figures = check(client)
    except TimeoutError as error:
        evidence = f"{error or 'no answer in time'}; {client.server.diagnose()}"
    except ServerError as error:
        evidence = str(error)
    except (CheckFailedError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        evidence = (
            f"{type(error).__name__}: {error}" if not isinstance(error, CheckFailedError) else str(error)
        )
    seconds = round(time.monotonic() - began, 3)
    return Checked(name=name, passed=not evidence, seconds=seconds, evidence=evidence, figures=figures)


def _expect(answer: http_client.Answer, status: int, what: str) -> None:
    if answer.status != status:
        raise CheckFailedError(f"{what}: status {answer.status}, not {status}: {answer.text[:200]}")
    if status == 200 and answer.body.lstrip().startswith(b"{"):  # noqa: PLR2004 - HTTP
        found = answer.json()
        if found.get("error"):
            raise CheckFailedError(f"{what}: status 200, and an error: {answer.text[:200]}")


def _generate(client: Client, ids: Sequence[int] = PROMPT_IDS, count: int = NEW_TOKENS) -> list[int]:
    body = {
        "input_ids": list(ids),
        "sampling_params": {"temperature": 0, "max_new_tokens": count, "ignore_eos": True},
    }
    answer = client.post("/generate", body)
    _expect(answer, 200, "/generate")
    found = answer.json()
    tokens = [int(token) for token in found["output_ids"]]
    if len(tokens) != count:
        raise CheckFailedError(f"/generate gave {len(tokens)} tokens, {count} were asked for")
    return tokens


def _models(client: Client) -> Mapping[str, Any]:
    answer = client.get("/v1/models")
    _expect(answer, 200, "/v1/models")
    names = [str(one["id"]) for one in answer.json()["data"]]
    if client.model not in names:
        raise CheckFailedError(f"/v1/models lists {names}, not {client.model}")
    return {}


def _server_info(client: Client) -> Mapping[str, Any]:
    answer = client.get("/get_server_info")
    _expect(answer, 200, "/get_server_info")
    found = answer.json()
    if not isinstance(found, dict):
        raise CheckFailedError(f"/get_server_info is no object: {answer.text[:200]}")
    return {name: found[name] for name in _TOLD if name in found}


def _greedy(client: Client) -> Mapping[str, Any]:
    first, again = _generate(client), _generate(client)
    if first != again:
        raise CheckFailedError(f"greedy tokens differ between two requests: {first} and {again}")
    return {"tokens": first}


def _as_reference(client: Client) -> Mapping[str, Any]:
    expected = list(client.expected()) if client.expected else []
    found = _generate(client)
    if found != expected:
        raise CheckFailedError(f"tokens {found} differ from the reference's {expected}")
    return {"compared": len(expected)}


def _completions(client: Client) -> Mapping[str, Any]:
    body = {"model": client.model, "prompt": "one two three", "max_tokens": NEW_TOKENS, "temperature": 0}
    answer = client.post("/v1/completions", {**body, "ignore_eos": True})
    _expect(answer, 200, "/v1/completions")
    _require_text(client, answer.json()["choices"][0]["text"], "/v1/completions")
    return {}


def _require_text(client: Client, text: object, what: str) -> None:
    """Hold an answer to have a text, and where no reference judges it one of more than a single character."""
    if not isinstance(text, str) or not text:
        raise CheckFailedError(f"{what} gave no text, {NEW_TOKENS} tokens were asked for")
    letters = set("".join(text.split()))
    if client.expected is None and len(letters) <= 1:
        raise CheckFailedError(f"{what} gave one character over and over: {text[:40]!r}")


def _chat_body(client: Client) -> dict[str, Any]:
    body = {"model": client.model, "messages": list(_CHAT), "max_tokens": NEW_TOKENS, "temperature": 0}
    return {**body, "ignore_eos": True}


def _chat(client: Client) -> Mapping[str, Any]:
    plain = client.post("/v1/chat/completions", _chat_body(client))
    _expect(plain, 200, "/v1/chat/completions")
    text = _content(plain.json()["choices"][0]["message"])
    _require_text(client, text, "/v1/chat/completions")
    streamed = client.stream("/v1/chat/completions", {**_chat_body(client), "stream": True})
    if streamed.status != 200 or not streamed.finished:  # noqa: PLR2004 - HTTP
        raise CheckFailedError(
            f"the stream ended early: status {streamed.status}, {len(streamed.events)} events"
        )
    parts = ["".join(_content(choice["delta"]) for choice in event["choices"]) for event in streamed.events]
    if "".join(parts) != text:
        raise CheckFailedError(f"the streamed text {''.join(parts)!r} is not the plain one {text!r}")
    return _pace([at for at, part in zip(streamed.times, parts, strict=True) if part])


def _content(message: Mapping[str, Any]) -> str:
    """Return what a message says; a server that tells reasoning apart has a field of its own for it."""
    return "".join(str(message[name]) for name in ("reasoning_content", "content") if message.get(name))


def _pace(times: Sequence[float]) -> Mapping[str, Any]:
    if not times:
        return {}
    step = (times[-1] - times[0]) / max(1, len(times) - 1)
    return {"first_token_ms": round(times[0] * 1000, 1), "per_token_ms": round(step * 1000, 1)}


def _together(client: Client) -> Mapping[str, Any]:
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=_TOGETHER) as pool:
        found = list(pool.map(lambda last: _generate(client, (*PROMPT_IDS, 100 + last)), range(_TOGETHER)))
    seconds = time.monotonic() - began
    return {"requests": len(found), "tokens_per_second": round(len(found) * NEW_TOKENS / seconds, 1)}


def _too_long(client: Client) -> Mapping[str, Any]:
    """Ask for more than the context holds, which the server tells of its model (`max_model_len`, in tokens)."""
    cards = client.get("/v1/models").json()["data"]
    told = next((card.get("max_model_len") for card in cards if card["id"] == client.model), None)
    ids = [40 + index % 200 for index in range(int(told or client.context_length) + 64)]
    answer = client.post("/generate", {"input_ids": ids, "sampling_params": {"max_new_tokens": 4}})
    _expect(answer, 400, "a prompt longer than the context")
    return {}


def _no_messages(client: Client) -> Mapping[str, Any]:
    answer = client.post("/v1/chat/completions", {"model": client.model, "messages": []})
    _expect(answer, 400, "an empty message list")
    return {}


def _key(client: Client) -> Mapping[str, Any]:
    if not client.key:
        return {"asked": False}
    _expect(client.post("/v1/chat/completions", _chat_body(client), key=""), 401, "a request without the key")
    _expect(
        client.post("/v1/chat/completions", _chat_body(client), key="wrong"),
        401,
        "a request with a wrong key",
    )
    return {"asked": True}


def _still_healthy(client: Client) -> Mapping[str, Any]:
    _expect(client.get("/health"), 200, "/health after all requests")
    return {"memory_mib": client.server.memory() >> 20, "processes": client.server.members()}


CHECKS: Sequence[tuple[str, Callable[[Client], Mapping[str, Any]]]] = (
    ("models", _models),
    ("server-info", _server_info),
    ("greedy-twice", _greedy),
    ("as-reference", _as_reference),
    ("completions", _completions),
    ("chat", _chat),
    ("sixteen-at-once", _together),
    ("too-long-prompt", _too_long),
    ("no-messages", _no_messages),
    ("api-key", _key),
    ("still-healthy", _still_healthy),
)
