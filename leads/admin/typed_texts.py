"""What somebody typed into a form whose card is out of his reach by now: shown to him, so that none of it is lost.

A card is given to somebody else, removed, or its caller hangs up, while a person still writes on it. The form's own
page is no longer his to see then; the texts are.
"""

from leads.admin.forms import Form
from leads.admin.i18n import N_, _

_LABELS = {
    "name": N_("Name"),
    "folder": N_("Folder"),
    "number": N_("Numbers"),
    "email": N_("E-mail"),
    "address": N_("Address"),
    "comment": N_("Comment"),
    "person_name": N_("Contact person"),
    "person_numbers": N_("Numbers"),
    "person_email": N_("E-mail"),
    "plan_note": N_("What to talk about"),
    "task_text": N_("What is to be done"),
    "note": N_("New note"),
    "reason": N_("Why?"),
}
"""The fields of cards, and of what is written on them, that people type texts into."""


def typed_texts(form: Form) -> list[tuple[str, str]]:
    """The texts of a form, each with its label."""
    texts = ((label, "\n".join(filter(None, form.values(name)))) for name, label in _LABELS.items())
    return [(_(label), text) for label, text in texts if text.strip()]
