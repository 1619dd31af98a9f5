"""Says why a card of a file was not imported, in words for whoever reads the list of refused rows."""

from leads.admin.cards import FIELDS
from leads.admin.i18n import _
from leads.admin.rendering import number_text
from leads.store.cards import (
    CardError,
    ConflictError,
    LeadClosedError,
    NumberOnCounterpartyError,
    NumberTakenError,
    WrongFieldError,
)
from leads.store.lead_import import OnCounterparty, OnSeveralLeads


def reason_of(refused: OnCounterparty | OnSeveralLeads | CardError) -> str:
    """Why, and where it helps, what to do."""
    match refused:
        case OnCounterparty():
            why = _on_counterparty(refused.number, refused.counterparty)
        case NumberOnCounterpartyError():
            why = _on_counterparty(refused.number, refused.counterparty.name)
        case OnSeveralLeads():
            why = _("Its numbers are on several open leads; merge these first.")
        case NumberTakenError():
            why = _("%(number)s is on another open lead.", number=number_text(refused.number))
        case LeadClosedError():
            why = _("This lead was closed meanwhile; a closed lead is read-only.")
        case ConflictError():
            why = _("Somebody is working on this card at this moment. Import this row again later.")
        case WrongFieldError():
            field = _(FIELDS.get(refused.field, refused.field))
            why = _("%(column)s: “%(text)s” cannot be kept.", column=field, text=refused.typed[:60])
        case _:
            why = _("This card was removed meanwhile.")
    return why


def _on_counterparty(number: str, name: str) -> str:
    return _("%(number)s belongs to the counterparty %(name)s.", number=number_text(number), name=name)
