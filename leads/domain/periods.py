"""A stretch of calendar days in the company's zone, which reports are about; in UTC it need not be whole days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Shift:
    """How far local time is ahead of UTC, `seconds`, until a moment; None is for ever."""

    until: datetime | None
    seconds: int


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both among them, as `zone` counts them."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def begin(self) -> datetime:
        """Its first moment, UTC."""
        return datetime.combine(self.first, time(), self.zone).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it, UTC."""
        return datetime.combine(self.last + _DAY, time(), self.zone).astimezone(UTC)

    def days(self) -> Iterator[date]:
        """Each of its days."""
        for place in range((self.last - self.first).days + 1):
            yield self.first + place * _DAY

    def shifts(self) -> tuple[Shift, ...]:
        """How local time is told from UTC within it: one shift, or some where the clocks are changed.

        Databases differ in what they know of zones, so they are told.
        """
        shifts: list[Shift] = []
        at, end = self.begin, self.end
        while at < end:
            following = min(at + _DAY, end)
            if self._ahead(at) != self._ahead(following):
                change = self._change(at, following)
                if change < end:
                    shifts.append(Shift(change, self._ahead(at)))
            at = following
        return (*shifts, Shift(None, self._ahead(end - _SECOND)))

    def _change(self, low: datetime, high: datetime) -> datetime:
        """The moment between two at which the clocks are changed."""
        before = self._ahead(low)
        while high - low > _SECOND:
            middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
            if self._ahead(middle) == before:
                low = middle
            else:
                high = middle
        return high

    def _ahead(self, at: datetime) -> int:
        return int((at.astimezone(self.zone).utcoffset() or timedelta()).total_seconds())
