"""Turns the parts' own figures into Prometheus metrics and health, when somebody asks."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from agi.server import LATENCY_BOUNDS, FastAgiServer
from ami_listener.connection import ConnectionState
from ami_listener.listener import CallListener
from ami_listener.recorder import Recorder
from ami_listener.recovery import Recovery
from leadline.company_copy import CompanyCopy
from leadline.metrics import PartHealth
from leads.roster.roster import LeadRoster
from leads.store.lookup import CallerLookup

OUTCOMES = ("answered", "defaulted", "refused_peers", "refused_full", "bad_questions", "abandoned", "not_taken")


def fastagi_metrics(server: FastAgiServer) -> Callable[[], Iterable[Metric]]:
    """What FastAGI has done; `defaulted` counts answers made without the database, which are among `answered`."""

    def collect() -> Iterable[Metric]:
        figures = server.figures
        sessions = CounterMetricFamily("leadline_fastagi_sessions", "Questions by outcome", labels=["outcome"])
        for outcome in OUTCOMES:
            sessions.add_metric([outcome], getattr(figures, outcome))
        yield sessions
        yield GaugeMetricFamily("leadline_fastagi_open_sessions", "Questions open now", server.open_sessions)
        buckets, total = [], 0
        for bound, count in zip((*map(str, LATENCY_BOUNDS), "+Inf"), figures.latency, strict=True):
            total += count
            buckets.append((bound, float(total)))
        yield HistogramMetricFamily(
            "leadline_fastagi_answer_seconds",
            "From connection to answer",
            buckets=buckets,
            sum_value=figures.latency_sum,
        )

    return collect


def listener_metrics(listeners: Mapping[str, CallListener]) -> Callable[[], Iterable[Metric]]:
    """How listening to each Asterisk goes; `listeners` by the Asterisk's name."""

    def collect() -> Iterable[Metric]:
        for family, figure in (
            (_gauge("leadline_ami_connected", "1 while logged in to Asterisk"), _is_connected),
            (
                _counter("leadline_ami_reconnects", "Connections lost or refused"),
                lambda one: one.connection.health.losses,
            ),
            (_counter("leadline_ami_events", "Events taken"), lambda one: one.health.events),
            (
                _counter("leadline_ami_events_dropped", "Events that did not fit in memory"),
                lambda one: one.health.dropped,
            ),
            (_gauge("leadline_ami_queued_events", "Events not yet worked off"), lambda one: one.queued),
            (_gauge("leadline_live_calls", "Calls that run now"), lambda one: one.tracker.live_calls),
        ):
            for pbx, listener in listeners.items():
                family.add_metric([pbx], figure(listener))
            yield family

    return collect


def _gauge(name: str, meaning: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=["pbx"])


def _counter(name: str, meaning: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, meaning, labels=["pbx"])


def _is_connected(listener: CallListener) -> bool:
    return listener.connection.health.state is ConnectionState.CONNECTED


def recorder_metrics(recorder: Recorder) -> Callable[[], Iterable[Metric]]:
    """How writing goes."""

    def collect() -> Iterable[Metric]:
        health = recorder.health
        yield GaugeMetricFamily("leadline_recorder_waiting", "Calls and decisions not yet written", recorder.waiting)
        yield CounterMetricFamily("leadline_recorder_written", "Calls and decisions written", health.written)
        yield CounterMetricFamily("leadline_recorder_batches", "Batches written", health.batches)
        yield CounterMetricFamily("leadline_recorder_spilled", "Given up for want of memory", health.spilled)

    return collect


def fastagi_health(server: FastAgiServer, lookup: CallerLookup) -> PartHealth:
    """FastAGI works while it listens and the look-up answers; without it calls take the dialled number's own route."""
    return PartHealth(
        "fastagi",
        lookup.trouble is None,
        {"port": server.port, "open_sessions": server.open_sessions, "database": lookup.trouble or "answers"},
    )


def listener_health(listener: CallListener) -> PartHealth:
    """Listening works while the account is logged in and may read the running channels."""
    health, connection = listener.health, listener.connection.health
    connected = connection.state is ConnectionState.CONNECTED
    return PartHealth(
        "ami",
        connected and not health.listing_refused,
        {
            "state": connection.state.value,
            "since": connection.since.isoformat() if connection.since else None,
            "last_event_at": health.last_event_at.isoformat() if health.last_event_at else None,
            "losses": connection.losses,
            "last_error": connection.last_error,
            "queued_events": listener.queued,
            "dropped_events": health.dropped,
            "live_calls": listener.tracker.live_calls,
        },
    )


def recorder_health(recorder: Recorder) -> PartHealth:
    """Recording works while batches reach the database."""
    health = recorder.health
    return PartHealth(
        "recorder",
        health.failing_since is None,
        {
            "waiting": recorder.waiting,
            "written": health.written,
            "spilled": health.spilled,
            "failing_since": health.failing_since.isoformat() if health.failing_since else None,
            "last_error": health.last_error,
        },
    )


def recovery_health(recovery: Recovery) -> PartHealth:
    """Recovery works while its source and the database can be read; live calls do not need it.

    Until it has begun or failed the server is still starting: killed then, it would not know from where to recover.
    """
    health = recovery.health
    is_failing = health.failing_since is not None
    return PartHealth(
        "recovery",
        health.begun and not is_failing,
        {
            "source": recovery.source.name,
            "recovered": health.recovered,
            "unreadable_rows": health.unreadable,
            "last_row_at": health.last_row_at.isoformat() if health.last_row_at else None,
            "read_at": health.read_at.isoformat() if health.read_at else None,
            "last_error": health.last_error,
        },
        essential=not health.begun and not is_failing,
    )


def recovery_metrics(recoveries: Mapping[str, Recovery]) -> Callable[[], Iterable[Metric]]:
    """How recovery from each Asterisk's own records goes; `recoveries` by the Asterisk's name."""

    def collect() -> Iterable[Metric]:
        recovered = _counter("leadline_recovered_calls", "Calls told by what Asterisk kept")
        rows = _counter("leadline_recovery_rows", "Rows of call records read")
        failing = _gauge("leadline_recovery_failing", "1 while call records cannot be read")
        for pbx, recovery in recoveries.items():
            recovered.add_metric([pbx], recovery.health.recovered)
            rows.add_metric([pbx], recovery.health.rows)
            failing.add_metric([pbx], recovery.health.failing_since is not None)
        yield from (recovered, rows, failing)

    return collect


def copy_health(copy: CompanyCopy) -> PartHealth:
    """The copy of routes in Asterisk; without it calls still go on by the default for all, so it is not essential."""
    connection, health = copy.control.health, copy.health
    return PartHealth(
        "copy of routes",
        copy.in_step.is_set(),
        {
            "state": connection.state.value,
            "numbers": health.numbers,
            "compared_at": health.compared_at.isoformat() if health.compared_at else None,
            "differences": health.differences,
            "changes_since_start": health.changes,
            "written": copy.written,
            "removed": copy.removed,
            "last_error": health.last_error or connection.last_error,
        },
        essential=False,
    )


def copy_metrics(copies: Mapping[str, CompanyCopy]) -> Callable[[], Iterable[Metric]]:
    """How the copies in the Asterisks are; `copies` by the Asterisk's name."""

    def collect() -> Iterable[Metric]:
        in_step = _gauge("leadline_copy_in_step", "1 while Asterisk's copy holds all changes")
        numbers = _gauge("leadline_copy_numbers", "Outside numbers in the copy when it was last compared")
        age = _gauge("leadline_copy_age_seconds", "Since the copy was last compared whole")
        differences = _gauge("leadline_copy_differences", "Entries that the last comparison had to mend")
        changes = _counter("leadline_copy_changes", "Changed numbers copied at once")
        for pbx, copy in copies.items():
            health = copy.health
            in_step.add_metric([pbx], copy.in_step.is_set())
            numbers.add_metric([pbx], health.numbers)
            if health.compared_at is not None:
                age.add_metric([pbx], (datetime.now(UTC) - health.compared_at).total_seconds())
            differences.add_metric([pbx], health.differences)
            changes.add_metric([pbx], health.changes)
        yield from (in_step, numbers, age, differences, changes)

    return collect


def roster_metrics(roster: LeadRoster) -> Callable[[], Iterable[Metric]]:
    """What of the leads is in memory."""

    def collect() -> Iterable[Metric]:
        yield GaugeMetricFamily("leadline_leads_in_memory", "Leads held for lists", roster.count or 0)
        yield GaugeMetricFamily("leadline_leads_in_memory_changed", "Of them, changed since read", roster.changed)

    return collect
