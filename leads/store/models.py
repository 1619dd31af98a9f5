"""All tables by their names, as typed models; what must always be true stands with them as a constraint, not in code.

Times are UTC. Numbers are E.164 with `+`. `version` columns count saves by people, so that two people who save one
card cannot overwrite each other; a call that arrives does not count.
"""

from leads.store.base import Base, UtcDateTime
from leads.store.call_tables import Call, Outage, OutageKind, Recovery, RoutingDecision
from leads.store.card_tables import Change, ContactPerson, Counterparty, Lead, LeadChange, NumberChange, PhoneNumber
from leads.store.company_tables import (
    CounterpartyStatus,
    Did,
    DirectoryVersion,
    Employee,
    EmployeeMobile,
    Extension,
    GroupMember,
    IgnoredNumber,
    LeadStatus,
    PanelSession,
    RingGroup,
    Source,
)
from leads.store.recording_tables import Recording, RecordingSetting, RecordingUse, Use

__all__ = [
    "Base",
    "Call",
    "Change",
    "ContactPerson",
    "Counterparty",
    "CounterpartyStatus",
    "Did",
    "DirectoryVersion",
    "Employee",
    "EmployeeMobile",
    "Extension",
    "GroupMember",
    "IgnoredNumber",
    "Lead",
    "LeadChange",
    "LeadStatus",
    "NumberChange",
    "Outage",
    "OutageKind",
    "PanelSession",
    "PhoneNumber",
    "Recording",
    "RecordingSetting",
    "RecordingUse",
    "Recovery",
    "RingGroup",
    "RoutingDecision",
    "Source",
    "Use",
    "UtcDateTime",
]
