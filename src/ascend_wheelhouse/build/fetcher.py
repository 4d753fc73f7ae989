"""What `wget` and `curl` are in a sealed build: a file of the recipe by its URL, or a refusal on record.

The file is copied into the sandbox under both names; `downloads.json` beside it says which URLs are known
and where refusals are written.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

_CURL = re.compile(r"-[fsSLkgiNvJR#0-9]*(?:(?P<remote>O)[fsSLkgiNvJR#]*|o(?P<file>.*))")
_WGET = re.compile(r"-(?:n[cdHv]|[qcNvdSxbr46])*(?:O(?P<file>.*)|P(?P<folder>.*))")
"""A word of options with one letter each: what they write to stands in the same word, or is the next one."""
_LONG = {
    "--output": "file",
    "--output-document": "file",
    "--directory-prefix": "folder",
    "--output-dir": "folder",
}


def target(words: list[str], url: str) -> str:
    """Return the file that wget's or curl's arguments name, `-` for standard output."""
    remote = urlsplit(url).path.rsplit("/", 1)[-1]
    curl = Path(sys.argv[0]).name == "curl"
    told = {"file": "-" if curl else remote, "folder": ""}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        short = (_CURL if curl else _WGET).fullmatch(word)
        if name in _LONG:
            told[_LONG[name]] = value if equals else following
        elif word == "--remote-name" or (short and short.groupdict().get("remote")):
            told["file"] = remote
        elif short:
            kind = "file" if short["file"] is not None else "folder"
            told[kind] = short[kind] or following
    return str(Path(told["folder"], told["file"])) if told["folder"] and told["file"] != "-" else told["file"]


def main(words: list[str]) -> int:
    """Copy the file of each URL, and return 4 (wget's network failure) for one that is not known."""
    settings = json.loads(Path(sys.argv[0]).with_name("downloads.json").read_text(encoding="utf-8"))
    known = settings["files"]
    urls = [word for word in words if "://" in word]
    for url in urls:
        if url not in known:
            with Path(settings["refused"]).open("a", encoding="utf-8") as log:
                log.write(f"{url}\n")
            sys.stderr.write(f"{url}: not among the downloads of the recipe, and a build has no network\n")
            return 4
        place = target(words, url)
        if place == "-":
            sys.stdout.buffer.write(Path(known[url]).read_bytes())
        else:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(known[url], place)
    return 0 if urls else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
