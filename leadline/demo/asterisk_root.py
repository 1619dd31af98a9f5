"""Builds the folder tree in which a real Asterisk 22 runs beside any Debian, because Debian 12 has no such package.

The tree is a small Debian of the suite that has Asterisk, made by debootstrap from the machine's own mirror, with
signatures verified. It lies in a cache folder outside the work tree and is only ever read afterwards.
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SUITE = "forky"
PACKAGES = ("asterisk", "asterisk-core-sounds-en-gsm")
# This debootstrap knows the suite's archive layout, but not yet its name.
_RECIPE = Path("/usr/share/debootstrap/scripts/sid")
_STEPS = re.compile(rb"^I: (?P<step>Retrieving|Validating|Extracting|Unpacking|Configuring) (?P<what>\S+)")

Say = Callable[[str], None]


def _print(text: str) -> None:
    """Progress is worth something only at once, also where the output goes into a file."""
    print(text, flush=True)


class RootError(Exception):
    """The Asterisk tree cannot be made here; the text says what to do."""


@dataclass(frozen=True, slots=True)
class AptSource:
    """One line of the machine's package sources."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def cache_folder() -> Path:
    """Where things that are dear to make and safe to delete are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadline"


def root_path() -> Path:
    """Where the tree is, or will be."""
    return cache_folder() / f"asterisk-{SUITE}"


def ensure_root(say: Say = _print) -> Path:
    """Return the tree, building it first where it is missing (about a minute, 500 MB).

    It is built under another name and renamed, so that a build that broke off is never taken for a good one.

    Raises:
        RootError: not root, no debootstrap, no Debian mirror, no place for it, or the build failed.
    """
    target = root_path()
    if is_complete(target):
        return target
    if os.geteuid() != 0:
        raise RootError("building the Asterisk tree needs root: run `make setup` as root once")
    if shutil.which("debootstrap") is None:
        raise RootError("debootstrap is missing: run `make setup`, or apt-get install debootstrap")
    mirror = debian_mirror()
    try:
        return _build(target, mirror, say)
    except OSError as error:
        raise RootError(
            f"the Asterisk tree cannot be put into {target.parent}: {error.strerror or error}; "
            "name a folder with 600 MB of room, as in XDG_CACHE_HOME=/var/cache"
        ) from None


def _build(target: Path, mirror: str, say: Say) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob(f"{target.name}.building-*"):
        shutil.rmtree(leftover)
    building = Path(tempfile.mkdtemp(prefix=f"{target.name}.building-", dir=target.parent))
    try:
        building.chmod(0o755)
        say(f"Building a Debian {SUITE} with Asterisk in {target}: about a minute, 500 MB, once")
        _debootstrap(building, mirror, say)
        for name in ("hosts", "resolv.conf"):  # each instance mounts its own over them
            (building / "etc" / name).unlink(missing_ok=True)
            (building / "etc" / name).touch()
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    say(f"Asterisk tree ready: {asterisk_version(target)}")
    return target


def is_complete(root: Path) -> bool:
    """Whether the tree holds an Asterisk; it has its name only after a whole build, so one file tells."""
    return (root / "usr/sbin/asterisk").is_file() and (root / "etc/hosts").is_file()


def asterisk_version(root: Path) -> str:
    """The Asterisk version that the tree's own package list names, without Debian's additions."""
    entries = (root / "var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n")
    for entry in entries:
        if entry.startswith("Package: asterisk\n"):
            found = re.search(r"^Version: (?:\d+:)?([0-9.]+)", entry, re.MULTILINE)
            if found:
                return f"Asterisk {found.group(1)}"
    raise RootError(f"{root} holds no Asterisk package; delete it and run again")


def debian_mirror(apt: Path = Path("/etc/apt"), codename: str | None = None) -> str:
    """The mirror this machine installs Debian from, which by being in use is the right one to use.

    Raises:
        RootError: the machine is no Debian or names no mirror over HTTP.
    """
    codename = codename or platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    for source in read_apt_sources(apt):
        if codename and codename in source.suites and "main" in source.components:
            return source.uri
    raise RootError(
        "this machine's apt sources name no Debian mirror over http(s), from which Asterisk could be installed; "
        "use Docker, or an Asterisk of your own (README.md, “Add it to your own Asterisk”)"
    )


def read_apt_sources(apt: Path) -> Iterator[AptSource]:
    """All enabled binary package sources over HTTP, in both formats that apt reads."""
    for path in (apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))):
        if path.is_file():
            yield from _one_line_sources(path.read_text(encoding="utf-8", errors="replace"))
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        yield from _deb822_sources(path.read_text(encoding="utf-8", errors="replace"))


def _one_line_sources(text: str) -> Iterator[AptSource]:
    for raw in text.splitlines():
        line = re.sub(r"\[[^]]*\]", " ", raw.partition("#")[0])
        words = line.split()
        if len(words) >= 3 and words[0] == "deb" and words[1].startswith(("http://", "https://")):
            yield AptSource(words[1], (words[2],), tuple(words[3:]))


def _deb822_sources(text: str) -> Iterator[AptSource]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = fields.get(name, "") + " " + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in {"no", "false", "0"} or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            if uri.startswith(("http://", "https://")):
                yield AptSource(
                    uri, tuple(fields.get("suites", "").split()), tuple(fields.get("components", "").split())
                )


def _debootstrap(target: Path, mirror: str, say: Say) -> None:
    # In namespaces of its own its mounts and its children end with it, however it ends.
    command = [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
        "debootstrap",
        "--variant=minbase",
        "--components=main",
        f"--include={','.join(PACKAGES)}",
        SUITE,
        str(target),
        mirror,
        str(_RECIPE),
    ]
    last: list[bytes] = []
    counts: dict[str, int] = {}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = [*last[-14:], line.rstrip()]
                step = _STEPS.match(line)
                if step:
                    word = step["step"].decode()
                    counts[word] = counts.get(word, 0) + 1
                    if counts[word] % 50 == 1:
                        say(f"  {word.lower()} packages … {counts[word]}")
        except BaseException:
            process.kill()  # else leaving the block would wait for its end
            raise
    if process.returncode != 0:
        tail = b"\n".join(last).decode(errors="replace")
        raise RootError(f"debootstrap failed with status {process.returncode}; its last words:\n{tail}")
