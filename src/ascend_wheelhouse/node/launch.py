"""Install a wheelhouse on this node: `python3.11 -I install.py --prefix DIR`; `--help` tells the rest.

`install.py` is a zip archive of Python sources, and this file is its `__main__.py`. All that it does is look at the
Python that runs it and go on in `node/install/program.py` in the archive, which needs the standard library alone.
The archive stands in the search where a script's folder would, so that nothing beside it is ever imported.
"""

import os
import sys

if __name__ == "__main__":
    for stream in ("stdout", "stderr"):
        if (
            getattr(sys, stream) is None
        ):  # the caller closed it (`2>&-`): what is printed there would go to the other
            setattr(sys, stream, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - older Pythons run this
    if sys.version_info[:2] < (3, 11):  # noqa: UP036 - an older Python must read why it will not do
        import json
        import shlex
        import subprocess

        def starts(name):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - older Pythons read this
            """Tell whether a program is there and starts: a version manager's name on the path is no proof."""
            try:
                with open(os.devnull, "w") as nothing:  # noqa: PTH123 - older Pythons read this
                    words = [name, "-I", "-S", "-c", ""]
                    return subprocess.call(words, stdout=nothing, stderr=nothing) == 0
            except OSError:
                return False

        names = ["python3.11", "python3.12"]
        newer = [name for name in names if starts(name)]  # type: ignore[no-untyped-call]
        lacking = " None starts by its name here: install python3.11 first, or the wheelhouse's own version."
        quoted = [getattr(shlex, "quote", repr)(word) for word in sys.argv[1:]]
        told = {
            "error": "OldPythonError",
            "exit_code": 10,  # as HostUnfitError's, whose module an older Python cannot read
            "what": "Python 3.11 or newer is needed; this one is {}.{}.".format(*sys.version_info[:2]),
            "why": "The installer is written for it." + ("" if newer else lacking),
            "next": " ".join([(newer or names)[0] + " -I install.py"] + quoted),  # noqa: RUF005 - older Pythons read this
        }
        if "--json" in sys.argv:
            sys.stdout.write(json.dumps(told, indent=1, sort_keys=True) + "\n")
        sys.stderr.write("error: {what}\n\n{why}\n\nNext: {next}\n".format(**told))
        sys.exit(told["exit_code"])
    sys.dont_write_bytecode = True

    def names_are_utf8():  # type: ignore[no-untyped-def]  # noqa: ANN201 - older Pythons read this
        """Tell whether each word that was typed is UTF-8, as the names in wheels are."""
        try:
            return all(os.fsencode(word).decode("utf-8") for word in sys.argv if word)
        except UnicodeDecodeError:
            return False

    # Under a locale such as zh_CN.GBK a receipt would name files as no other session does, and uv's words be lost.
    if sys.getfilesystemencoding() != "utf-8" and "--env" not in sys.argv and names_are_utf8():  # type: ignore[no-untyped-call]
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - itself

    import signal
    import threading
    import time

    class Stop(KeyboardInterrupt):
        """A request to end.

        Python ends an archive by SIGINT, whatever its exit code, where `KeyboardInterrupt` itself came out of code that
        is made of a text, as dataclasses make it, though it was caught. A subclass is not looked for.
        """

    def stop(number, _frame):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - older Pythons read this
        """End what runs in order, as Ctrl-C does; a second request ends this process at once."""
        with deciding:
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, signal.SIG_DFL)
        raise Stop(number)

    def lost(told):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - older Pythons read this
        """Have a request come again that was raised where Python lets no exception out, as while it imports."""
        if not isinstance(told.exc_value, KeyboardInterrupt):
            sys.__unraisablehook__(told)
            return
        number = (told.exc_value.args or (signal.SIGINT,))[0]
        signal.signal(number, stop)
        os.write(noted, bytes([number]))

    def wake(requests, main):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - older Pythons read this
        """Have requests come again until they are heard: Python overlooks one that comes as it begins to wait."""
        while True:
            number = ord(os.read(requests, 1))
            time.sleep(0.05)
            with deciding:
                if signal.getsignal(number) is stop:
                    signal.pthread_kill(main, number)

    # Held so that no request comes again that is heard meanwhile: it would end this process at once.
    deciding = threading.RLock()
    reading, noted = os.pipe()
    os.set_blocking(noted, False)
    threading.Thread(target=wake, args=(reading, threading.get_ident()), daemon=True).start()
    signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
    sys.unraisablehook = lost
    for awaited in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(awaited) != signal.SIG_IGN:  # as behind `&` in a script
            signal.signal(awaited, stop)
    try:
        import importlib
        import os.path

        # A relative name would be looked up again at each import, wherever this process then stands.
        sys.path[0] = os.path.abspath(sys.path[0])  # noqa: PTH100 - pathlib is not needed yet
        run = importlib.import_module("node.install.program").main
    except KeyboardInterrupt as early:
        import json

        told = {
            "error": "Stopped",
            "exit_code": 128 + (early.args or (signal.SIGINT,))[0],
            "what": "The run was stopped before it began.",
            "why": "Nothing was done.",
            "next": "the same command again",
        }
        if "--json" in sys.argv:
            sys.stdout.write(json.dumps(told, indent=1, sort_keys=True) + "\n")
        sys.stderr.write("stopped. {why}\n".format(**told))
        sys.exit(told["exit_code"])
    sys.exit(run(sys.argv[1:]))
