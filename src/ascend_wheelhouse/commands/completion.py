"""What the Tab key is answered beyond Invoke's own: the values of options, and functions for the shells.

Invoke's script for zsh takes the typed words from a variable that its kind of completion (`compctl -K`) does not set;
zshcompctl(1) has a function read them. So zsh gets a function of its newer system here (zshcompsys(1)). The one for
fish offers no files, and that for bash drops a word that is empty yet: behind `vendor ` it offers commands.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from invoke.parser.context import ParserContext

from ascend_wheelhouse.base.packaged import recipes_of
from ascend_wheelhouse.base.settings import CHOICES
from ascend_wheelhouse.node.host.toolkits import numbers

_APPS = ("sglang", "vllm-ascend")
_OF_A_STACK = re.compile(r"(?:.+-)?torch(?P<torch>\d[\w.]*)-cann(?P<cann>\d[\w.]*)")
_BASH = """_complete_ascend_wheelhouse() {{
    local found
    found=$({name} --complete -- "${{COMP_WORDS[@]:0:COMP_CWORD+1}}" 2>/dev/null)
    COMPREPLY=($(compgen -W "$found" -- "$2"))
}}
complete -o default -F _complete_ascend_wheelhouse {name}
"""
_ZSH = """#compdef {name}
_{name}() {{
    local -a found
    found=("${{(@f)$({name} --complete -- "${{(@)words[1,CURRENT]}}" 2>/dev/null)}}")
    compadd -- "${{(@)found:#}}" && return
    [[ $PREFIX == --*=* ]] && compset -P 1 '*='
    _files
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit -D }}
compdef _{name} {name}
"""

_FISH = """function __complete_{name}
    set --local words (commandline --tokenize --cut-at-cursor; commandline --current-token)
    set --local found ({name} --complete -- $words 2>/dev/null)
    set --local fitting (string match -- (commandline --current-token)'*' $found)
    if test (count $fitting) -gt 0
        printf '%s\\n' $fitting
    else
        set --local head (string match --regex -- '^--[^=]+=' (commandline --current-token))
        for path in (__fish_complete_path (string replace --regex -- '^--[^=]+=' '' (commandline --current-token)))
            printf '%s\n' "$head$path"
        end
    end
end
complete --command {name} --no-files --arguments '(__complete_{name})'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""What shells read that get a function of ours, for `str.format` with the program's name."""


def option_in_question(
    typed: str, contexts: Mapping[str, ParserContext], initial: ParserContext
) -> str | None:
    """Return the name of the option whose value is being typed, None where none is.

    bash hands over `--torch=2.1` as three words, the other shells as one.

    Args:
        typed: The command line up to the cursor, the program's name first.
        contexts: The options of each task.
        initial: The options before the task.
    """
    words = shlex.split(typed)[1:]
    task = next((word for word in words if word in contexts), None)
    flags = (contexts[task] if task else initial).flags
    words = [word for word in words if word != "="]
    if typed.endswith(" "):  # the last word is finished
        words.append("")
    if words and words[-1].startswith("--") and "=" in words[-1]:
        words = [*words[:-1], words[-1].partition("=")[0]]
    for word in words[-1:] if words and words[-1].startswith("-") else words[-2:-1]:
        if word in flags and flags[word].takes_value:
            return str(flags[word].name)
    return None


def argument_in_question(typed: str, contexts: Mapping[str, ParserContext]) -> str | None:
    """Return the name of the argument without an option that is being typed, as `FILE` of `vendor`; None for none.

    Args:
        typed: The command line up to the cursor, the program's name first.
        contexts: The options of each task.
    """
    words = [*shlex.split(typed)[1:], *([""] if typed.endswith(" ") else [])]
    task = next((number for number, word in enumerate(words) if word in contexts), len(words))
    after = words[task + 1 :]
    if not after or after[-1].startswith("-"):
        return None
    context, given, value = contexts[words[task]], 0, False
    for word in after[:-1]:
        if not value and not word.startswith("-"):
            given += 1
        value = not value and word in context.flags and context.flags[word].takes_value
    names = [str(one.name) for one in context.positional_args]
    return names[given] if not value and given < len(names) else None


def is_whole(typed: str) -> bool:
    """Tell whether a command line can be taken apart: not while a quotation mark in it waits for the other one."""
    try:
        shlex.split(typed)
    except ValueError:
        return False
    return True


def before_value(typed: str) -> str:
    """Return what stands before the value in the word that is being typed: `--torch=` of `--torch=2.1`."""
    last = [] if typed.endswith(" ") else shlex.split(typed)[-1:]
    head, sign, _ = last[0].partition("=") if last else ("", "", "")
    return head + sign if sign and head.startswith("--") else ""


def values(option: str, root: Path) -> list[str]:
    """Return the values that an option has here; none where it takes whatever is typed, such as a path.

    Args:
        option: Its name, or that of an argument without one.
        root: The project folder, whose stacks count.
    """
    if option in CHOICES:
        return list(CHOICES[option])
    if option == "app":
        return list(_APPS)
    if option == "component":
        return sorted({Path(name).stem for name in recipes_of(root).named("*.toml")} - {"compatibility"})
    stacks = sorted(Path(name).stem for name in recipes_of(root).named("stacks/*.toml"))
    if option == "stack":
        return stacks
    if option not in {"torch", "cann"}:
        return []
    read = (_OF_A_STACK.fullmatch(stack) for stack in stacks)
    return sorted({found[option].upper() for found in read if found}, key=numbers)
