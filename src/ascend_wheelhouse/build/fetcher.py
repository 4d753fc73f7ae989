"""What `wget` and `curl` are in a sealed build: a file of the recipe by its URL, or a refusal on record.

The file is copied into the sandbox under both names; `downloads.json` beside it says which URLs are known
and where refusals are written.
"""

import json
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

_WITH_VALUE = {"-O", "-o", "--output", "--output-document"}


def target(words: list[str], url: str) -> str:
    """Return the file that wget's or curl's arguments name, `-` for standard output."""
    remote = urlsplit(url).path.rsplit("/", 1)[-1]
    curl = Path(sys.argv[0]).name == "curl"
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith(("--output=", "--output-document=")):
            return word.partition("=")[2]
        if curl and word in {"-O", "--remote-name"}:
            return remote
        if word in _WITH_VALUE:
            return following
    return "-" if curl else remote


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
            shutil.copyfile(known[url], place)
    return 0 if urls else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
