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
from leads.store.lead_import import OfALeaver, OnCounterparty, OnSeveralLeads, Unmade


def reason_of(refused: Unmade | CardError) -> str:
    """Why, and where it helps, what to do."""
    match refused:
        case OnCounterparty():
            why = _on_counterparty(refused.number, refused.counterparty)
        case NumberOnCounterpartyError():
            why = _on_counterparty(refused.number, refused.counterparty.name)
        case OnSeveralLeads():
            why = _("Its numbers are on several open leads; merge these first.")
        case OfALeaver():
            column = FIELDS["responsible"]
            why = _("%(column)s: there is no “%(text)s” here.", column=_(column), text=refused.name[:60])
        case NumberTakenError():
            why = _("%(number)s is on another open lead.", number=number_text(refused.number))
        case LeadClosedError():
            why = _("This lead was closed meanwhile; a closed lead is read-only.")
        case ConflictError():
            why = _("Somebody is working on this card at this moment. Import this row again later.")
        case WrongFieldError():
            why = _of_field(refused)
        case _:
            why = _("This card was removed meanwhile.")
    return why


def _on_counterparty(number: str, name: str) -> str:
    return _("%(number)s belongs to the counterparty %(name)s.", number=number_text(number), name=name)


def _of_field(refused: WrongFieldError) -> str:
    """What is wrong with a field; of what was chosen by its key the key says nothing to people."""
    field = refused.field.partition(".")[0].removeprefix("person_")
    column = _(FIELDS.get(field.removesuffix("_id"), field))
    if field.endswith("_id") or field == "responsible":
        return _("%(column)s: not there any more.", column=column)
    return _("%(column)s: “%(text)s” cannot be kept.", column=column, text=refused.typed[:60])
