"""Which Asterisk servers the panel tells of: all by name, and those whose calls are not followed now (C13)."""

from collections.abc import Callable, Sequence

from leads.admin.i18n import _


class Asterisks:
    """The Asterisk servers of the company.

    Args:
        names: of all.
        away: tells the names of those that are not connected now.
    """

    def __init__(self, names: Sequence[str] = (), away: Callable[[], Sequence[str]] = tuple) -> None:
        self.names = tuple(names)
        self._away = away

    @property
    def several(self) -> bool:
        """Whether a call has to say on which one it is."""
        return len(self.names) > 1

    def away(self) -> tuple[str, ...]:
        """The names of those that are not connected now."""
        return tuple(self._away())

    def trouble(self, away: Sequence[str]) -> str:
        """What people are told of those that are away; empty when none is."""
        if not away:
            return ""
        if not self.several:
            return _("Asterisk is not connected: calls show here again when it is back.")
        return _("Not connected: %(names)s. Calls there show here again when it is back.", names=", ".join(away))
