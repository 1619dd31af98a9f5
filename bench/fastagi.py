"""FastAGI sessions a second, and their p99, of Leadline beside a bare server and panoramisk's; and look-up time.

    python -m bench.fastagi [ROUNDS]

Leadline looks each caller up among 1,000,000 leads, decides and writes a plan; the others answer fixed text. Each
server is a process of its own on one core; the load (bench/fastagi_load.c) has another. They take turns, because a
machine's speed drifts; the figures are ratios within a round.
"""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.prepared import DID_E164, LEADS, copy_database
from bench.seed import number_of
from leads.store.lookup import CallerLookup

FEW, MANY = 10_000, LEADS
ROUNDS = 7
SECONDS = 4
CONNECTIONS = 50
SERVERS = ("bare", "leadline", "panoramisk")
LOOKUPS = 4000
_TICKS = os.sysconf("SC_CLK_TCK")


class Run(NamedTuple):
    """What the load saw in one run; times in milliseconds, CPU of the server in microseconds a session."""

    rate: float
    p50: float
    p99: float
    cpu: float


@contextmanager
def serving(name: str, url: str, core: int) -> Iterator[tuple[int, int]]:
    """Run a server on a core; give its port and its process."""
    command = ["taskset", "-c", str(core), sys.executable, "-m", "bench.fastagi_servers", name, url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.kill()
        process.wait()


def cpu_seconds(process: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def load(program: Path, server: tuple[int, int], numbers: Path, seconds: float, core: int) -> Run:
    """Put load on a server.

    Raises:
        RuntimeError: a session ended without an answer.
    """
    port, process = server
    before = cpu_seconds(process)
    command = ["taskset", "-c", str(core), str(program), *map(str, (port, CONNECTIONS, seconds, numbers, DID_E164))]
    done, empty, took, p50, p99 = map(float, subprocess.check_output(command, text=True).split())
    if empty or not done:
        raise RuntimeError(f"{empty:.0f} of {done:.0f} sessions had no answer")
    return Run(done / took, p50, p99, (cpu_seconds(process) - before) / done * 1e6)


async def lookup_micros(lookup: CallerLookup, numbers: Sequence[str], at_once: int) -> float:
    """Microseconds a look-up, that many at the same time."""
    begin = time.perf_counter()
    for start in range(0, len(numbers), at_once):
        await asyncio.gather(*map(lookup.find, numbers[start : start + at_once]))
    return (time.perf_counter() - begin) / len(numbers) * 1e6


async def compare_lookups(few: str, many: str, rounds: int) -> None:
    """Print how look-up time grows with the number of leads, in a server that has run for a while.

    Both look up the same number of callers; until each of them was found once, what counts is how the kernel maps the
    file, page by page, which happens once in a server's life.
    """
    small, large = await CallerLookup.open(few), await CallerLookup.open(many)
    spread = MANY // FEW
    for lookup, step in ((small, 1), (large, spread)):
        await lookup_micros(lookup, [number_of(i * step) for i in range(FEW)], CONNECTIONS)
    for at_once in (1, CONNECTIONS):
        ratios, times = [], []
        for _round in range(rounds):
            chosen = [random.randrange(FEW) for _ in range(LOOKUPS)]
            of_few = await lookup_micros(small, [number_of(i) for i in chosen], at_once)
            of_many = await lookup_micros(large, [number_of(i * spread) for i in chosen], at_once)
            ratios.append(of_many / of_few)
            times.append(of_many)
        print(
            f"look-up, {at_once} at once: {MANY:,} leads : {FEW:,}   {spread_of(ratios)}   {median(times):.0f} µs each"
        )
    await small.close()
    await large.close()


def spread_of(ratios: Sequence[float]) -> str:
    """Median and spread, in words."""
    return f"median {median(ratios):.2f}  ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} rounds)"


def compare_servers(program: Path, url: str, numbers: Path, rounds: int) -> None:
    """Print how Leadline does beside the others."""
    cores = sorted(os.sched_getaffinity(0))
    runs: dict[str, list[Run]] = {name: [] for name in SERVERS}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(name, url, cores[0])) for name in SERVERS}
        for round_ in range(rounds + 1):
            for name, server in servers.items():
                run = load(program, server, numbers, SECONDS, cores[-1])
                if round_:
                    runs[name].append(run)
            if round_:
                words = (f"{name} {run[-1].rate:.0f}/s p99 {run[-1].p99:.1f} ms" for name, run in runs.items())
                print(f"fastagi: round {round_}: {', '.join(words)}", flush=True)
    for name, of_name in runs.items():
        print(
            f"fastagi: {name}: {median(run.rate for run in of_name):.0f} sessions/s, "
            f"p50 {median(run.p50 for run in of_name):.1f} ms, p99 {median(run.p99 for run in of_name):.1f} ms, "
            f"{median(run.cpu for run in of_name):.0f} µs of CPU each"
        )
    ours = runs["leadline"]
    for other in ("bare", "panoramisk"):
        rates = [mine.rate / theirs.rate for mine, theirs in zip(ours, runs[other], strict=True)]
        tails = [mine.p99 / theirs.p99 for mine, theirs in zip(ours, runs[other], strict=True)]
        print(f"FastAGI sessions/s, Leadline : {other}   {spread_of(rates)}")
        print(f"FastAGI p99, Leadline : {other}   {spread_of(tails)}")


def main(rounds: int = ROUNDS) -> None:
    """Run and print."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        sys.exit("bench.fastagi needs a C compiler for its load: apt-get install gcc libc6-dev")
    with tempfile.TemporaryDirectory(prefix="leadline-bench-") as name:
        folder = Path(name)
        program, numbers = folder / "load", folder / "numbers"
        subprocess.run([compiler, "-O2", "-o", program, Path(__file__).with_name("fastagi_load.c")], check=True)
        numbers.write_text("".join(f"{number_of(random.randrange(MANY))}\n" for _ in range(200_000)))
        few, many = (copy_database(folder / f"{leads}.db", leads) for leads in (FEW, MANY))
        compare_servers(program, many, numbers, rounds)
        asyncio.run(compare_lookups(few, many, rounds))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else ROUNDS)
