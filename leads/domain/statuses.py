"""What a status means for planning: whether the next call is planned, and how far away (P1)."""

from dataclasses import dataclass
from enum import StrEnum

LONGEST_PLAN_DAYS = 365


class StatusSet(StrEnum):
    """Leads and counterparties have statuses of their own."""

    LEADS = "leads"
    COUNTERPARTIES = "counterparties"


@dataclass(frozen=True, slots=True)
class StatusRule:
    """What one status says of calls: whether the next one is planned, and after how many days."""

    plans: bool
    days: int
