"""Very many short texts in one piece of memory, and their order by code points, without an object for each."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORD = 8
_PIECE = 1 << 16
"""So many words are made at once, which keeps what is needed for it small."""


class Texts:
    """Texts by their place, as UTF-8: its bytes order and hold one another as the texts do."""

    def __init__(self, pieces: Iterable[bytes], lengths: NDArray[np.uint32]) -> None:
        """Take all texts one after another, in any pieces, and the length of each in bytes."""
        self._all = b"".join(pieces)
        self._bounds = np.zeros(len(lengths) + 1, np.uint32)
        np.cumsum(lengths, out=self._bounds[1:])

    def __getitem__(self, place: int) -> bytes:
        """The text at a place."""
        return self._all[self._bounds[place] : self._bounds[place + 1]]

    def some(self, places: NDArray[Any]) -> list[bytes]:
        """The texts at some places."""
        begins, ends = self._bounds[places].tolist(), self._bounds[places + 1].tolist()
        return [self._all[begin:end] for begin, end in zip(begins, ends, strict=True)]

    def order(self) -> NDArray[np.int32]:
        """The places in the order of their texts; equal texts stay in the order of their places.

        From the last eight bytes to the first, each time only of texts that are so long: shorter ones come before.
        """
        lengths = np.diff(self._bounds)
        order = np.arange(len(lengths), dtype=np.int32)
        longest = int(lengths.max(initial=0))
        for begin in range((longest - 1) // _WORD * _WORD, -1, -_WORD):
            long = lengths[order] > begin
            reaching = order[long]
            words = self._words(reaching, begin)
            order = np.concatenate((order[~long], reaching[np.argsort(words, kind="stable")]))
        return order

    def _words(self, places: NDArray[np.int32], begin: int) -> NDArray[np.uint64]:
        """Eight bytes of each text from `begin` on as a number, filled up with zeros."""
        letters = np.frombuffer(self._all, np.uint8)
        words = np.empty(len(places), np.uint64)
        for first in range(0, len(places), _PIECE):
            chosen = places[first : first + _PIECE]
            ends = self._bounds[1:][chosen][:, None].astype(np.int64)
            at = self._bounds[chosen][:, None].astype(np.int64) + np.arange(begin, begin + _WORD)
            held = np.where(at < ends, letters[np.minimum(at, len(letters) - 1)], 0).astype(np.uint8)
            words[first : first + _PIECE] = held.view(">u8")[:, 0]
        return words
