"""Logins that stand in URLs for git, kept out of command lines, which everybody on a host can read (proc(5)).

git hands the URL on to a program of its own, by that one's command line. So it gets the URL without the login, and asks
a credential helper for it once the server wants one (gitcredentials(7)); the helper takes it from variables, which are
the user's alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

_LOGIN = re.compile(r"(?P<scheme>https?)://(?P<user>[^/@\s:]*):(?P<password>[^/@\s]*)@(?P<rest>.+)")
_USER, _PASSWORD = "WHEELHOUSE_GIT_USER", "WHEELHOUSE_GIT_PASSWORD"
_HELPER = (
    f'!f() {{ test "$1" != get || printf "username=%s\\npassword=%s\\n" "${_USER}" "${_PASSWORD}"; }}; f'
)


def straight(words: Sequence[str | Path]) -> list[str]:
    """Return options by which a server at `https:` leads to none at plain `http:`, which it may do unless told.

    What the user names, or has git put in its place (`url.BASE.insteadOf`), may be plain all the same.
    """
    return ["protocol.http.allow=user"] if any(str(word).startswith("https://") for word in words) else []


def leads_to_plain(said: str) -> bool:
    """Tell whether git's words say that a server did so."""
    return 'Protocol "http"' in said


def apart(words: Sequence[str | Path]) -> tuple[list[str | Path], list[str], dict[str, str]]:
    """Return a command's words without a login, options that have git ask for it, and the variables that hold it.

    A name without a password stays in the URL: git asks for the rest of it as the user has configured.

    Args:
        words: The command and its arguments, one URL at most among them.
    """
    for number, word in enumerate(words):
        if match := _LOGIN.fullmatch(str(word)):
            place = f"{match['scheme']}://{match['rest']}"
            host = f"{match['scheme']}://{match['rest'].partition('/')[0]}"
            variables = {_USER: unquote(match["user"]), _PASSWORD: unquote(match["password"])}
            if not all(map(str.isprintable, variables.values())):
                break  # as git itself refuses it
            asking = (f"credential.{host}.helper=", f"credential.{host}.helper={_HELPER}")
            return [*words[:number], place, *words[number + 1 :]], list(asking), variables
    return list(words), [], {}
