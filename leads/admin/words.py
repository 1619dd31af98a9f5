"""The domain's values in words for people, marked for the translators."""

from collections.abc import Mapping

from leads.admin.i18n import N_
from leads.domain.calls import Direction, LegKind, Phase, Result, TransferType
from leads.domain.directory import DisplayMode, Role
from leads.store.models import OutageKind, Use

WORDS: Mapping[object, str] = {
    Direction.INBOUND: N_("Inbound"),
    Direction.OUTBOUND: N_("Outgoing"),
    Direction.INTERNAL: N_("Internal"),
    Result.ANSWERED: N_("Answered"),
    Result.NO_ANSWER: N_("No answer"),
    Result.BUSY: N_("Busy"),
    Result.REJECTED: N_("Rejected"),
    Result.CANCELLED: N_("Cancelled"),
    Result.FAILED: N_("Failed"),
    TransferType.BLIND: N_("Blind transfer"),
    TransferType.ATTENDED: N_("Attended transfer"),
    TransferType.SEMI_ATTENDED: N_("Semi-attended transfer"),
    LegKind.TRANSFERRED: N_("after a transfer"),
    LegKind.FORWARDED: N_("forwarded there by the phone"),
    LegKind.PICKED_UP: N_("picked the call up"),
    LegKind.TAKEN_BACK: N_("took the call back"),
    LegKind.QUEUE: N_("Queue"),
    LegKind.PARKED: N_("Parked"),
    LegKind.VOICEMAIL: N_("Voicemail"),
    DisplayMode.LATIN: N_("Latin letters"),
    DisplayMode.UTF8: N_("Any letters (UTF-8)"),
    DisplayMode.OFF: N_("No name"),
    Role.EMPLOYEE: N_("Employee"),
    Role.SUPERVISOR: N_("Supervisor"),
    Role.ADMIN: N_("Administrator"),
    OutageKind.LEADLINE: N_("Leadline was not running"),
    OutageKind.AMI: N_("Asterisk was out of reach"),
    OutageKind.DATABASE: N_("The database was out of reach"),
    Use.LISTENED: N_("listened"),
    Use.SAVED: N_("saved as a file"),
    "ringing": N_("Ringing"),
    "talking": N_("Talking"),
}
PHASE_WORDS: Mapping[Phase, str] = {Phase.RINGING: "ringing", Phase.TALKING: "talking"}
FIRST_STATUSES = (N_("Hot"), N_("Warm"), N_("Cold"), N_("Unpromising"))
"""What the status directory begins with; other names are the company's own words and stay as they are."""
