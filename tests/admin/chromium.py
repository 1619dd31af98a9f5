"""One Chromium process for a whole run: starting it costs more than most tests in it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

_ARGUMENTS = [
    "--headless",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def chromium_process(folder: Path) -> Iterator[str]:
    """A Chromium with its profile in `folder`; gives the address by which tests, each on its own loop, steer it."""
    command = ["/usr/bin/chromium", *_ARGUMENTS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        drain = Thread(target=process.stderr.read, daemon=True)
        try:
            announced = next(line for line in process.stderr if line.startswith("DevTools listening on "))
            drain.start()
            yield announced.removeprefix("DevTools listening on ").strip()
        finally:
            process.terminate()
