"""Which texts hold three letters in a row: what comes into question for a search, found without a look at any text."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 16
"""So many texts have one index, so that their places fit into two bytes."""
_END = "\0"
_LETTERS = 0x110000


class Grams:
    """The trigrams of up to BLOCK texts, and for each the places of the texts that hold it, in order."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Index the texts; a NUL in one is none of its letters."""
        joined = _END.join([*texts, ""]).encode("utf-32-le")
        letters = np.frombuffer(joined, np.uint32)
        ends = letters == 0
        there = np.zeros(_LETTERS, bool)
        there[letters] = True
        self._alphabet = np.flatnonzero(there)
        codes = np.empty(_LETTERS, np.uint64)
        codes[self._alphabet] = np.arange(len(self._alphabet), dtype=np.uint64)
        of_letters = codes[letters]
        owners = (np.cumsum(ends) - ends).astype(np.uint64)  # The end of a text is its own.
        whole = ~(ends[:-2] | ends[1:-1] | ends[2:]) if len(letters) > 2 else np.zeros(0, bool)
        size = np.uint64(len(self._alphabet))
        trigrams = (of_letters[:-2] * size + of_letters[1:-1]) * size + of_letters[2:]
        # Of less than 65,536 letters a trigram leaves these sixteen bits free; so many no 65,536 people need.
        packed = np.sort(trigrams[whole] * np.uint64(BLOCK) + owners[:-2][whole])
        packed = packed[np.concatenate((packed[:1] == packed[:1], packed[1:] != packed[:-1]))]
        held = packed // np.uint64(BLOCK)
        self._trigrams, begins = np.unique(held, return_index=True)
        self._begins = np.append(begins, len(packed)).astype(np.uint32)
        self._places: NDArray[np.uint16] = (packed % np.uint64(BLOCK)).astype(np.uint16)

    def find(self, trigrams: Iterable[str]) -> NDArray[np.uint16]:
        """The places of the texts that hold all of one trigram or more, in order."""
        found = sorted((self._holding(trigram) for trigram in trigrams), key=len)
        places = found[0]
        for others in found[1:]:
            if not len(places):
                break
            held = np.zeros(BLOCK, bool)
            held[others] = True
            places = places[held[places]]
        return places

    def _holding(self, trigram: str) -> NDArray[np.uint16]:
        letters = np.frombuffer(trigram.encode("utf-32-le"), np.uint32)
        codes = np.searchsorted(self._alphabet, letters)
        nothing = self._places[:0]
        if np.any(codes == len(self._alphabet)) or np.any(self._alphabet[codes] != letters):
            return nothing
        size = len(self._alphabet)
        code = np.uint64((int(codes[0]) * size + int(codes[1])) * size + int(codes[2]))
        at = int(np.searchsorted(self._trigrams, code))
        if at == len(self._trigrams) or self._trigrams[at] != code:
            return nothing
        return self._places[self._begins[at] : self._begins[at + 1]]
