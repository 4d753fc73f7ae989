"""A proxy is not asked for a server on this very node.

SGLang asks its own address until it answers, and so do the router and people; `requests` and `curl` send that to the
proxy of `http_proxy`, which knows nothing of it: after two minutes the server ends itself with "warmup error" (SGLang's
`_execute_server_warmup`; sglang#9814 and #9155, with `--host 0.0.0.0` although `no_proxy` named 127.0.0.1).
"""

from __future__ import annotations

from collections.abc import Mapping

_OWN = ("127.0.0.1", "localhost", "0.0.0.0", "::1")  # noqa: S104 - to be asked, not listened on
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_EXEMPTED = ("no_proxy", "NO_PROXY")


def exempted(caller: Mapping[str, str]) -> dict[str, str]:
    """Return `no_proxy` and `NO_PROXY` with this node's own addresses; nothing where no proxy is set.

    Args:
        caller: The variables as they are.
    """
    if not any(caller.get(form) for name in _PROXIES for form in (name, name.upper())):
        return {}
    told = {
        form: caller.get(form) or next(filter(None, map(caller.get, _EXEMPTED)), "") for form in _EXEMPTED
    }
    return {form: _with_own(text) for form, text in told.items()}


def _with_own(text: str) -> str:
    """Return a list of exempted hosts with our own; `*` stands for all only where it stands alone."""
    named = [word.strip() for word in text.split(",") if word.strip()]
    return text if "*" in named else ",".join([*named, *(one for one in _OWN if one not in named)])
