"""A clock that is ahead, for one build: a small library that is loaded before the C library.

Time namespaces of Linux move the monotonic clocks only; the calendar has to be moved inside the process.
"""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.base.process import run

_CODE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

static int real_clock(clockid_t id, struct timespec *t) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "clock_gettime");
    return next(id, t);
}

int clock_gettime(clockid_t id, struct timespec *t) {
    int status = real_clock(id, t);
    if (status == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += AHEAD;
    return status;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct timespec now;
    (void)zone;
    int status = clock_gettime(CLOCK_REALTIME, &now);
    if (t) { t->tv_sec = now.tv_sec; t->tv_usec = now.tv_nsec / 1000; }
    return status;
}

time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""


def write_clock(folder: Path, seconds: int) -> Path:
    """Compile `libclock.so`, whose calendar is `seconds` ahead, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    source, library = folder / "clock.c", folder / "libclock.so"
    source.write_text(_CODE, encoding="utf-8")
    run(["gcc", "-shared", "-fPIC", "-O1", f"-DAHEAD={seconds}L", "-o", library, source, "-ldl"])
    return library
