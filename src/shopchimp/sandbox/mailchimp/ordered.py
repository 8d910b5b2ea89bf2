"""A sorted set of numbers that can be cut at any position: paging a million members without walking them."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

FULL: Final = 1024


class OrderedNumbers:
    """Sorted unique numbers in pieces of about a thousand; adding the largest so far costs nothing."""

    __slots__ = ("_firsts", "_length", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[array[int]] = []
        self._firsts: list[int] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, number: int) -> None:
        self._length += 1
        pieces = self._pieces
        if not pieces or number > pieces[-1][-1]:
            if pieces and len(pieces[-1]) < FULL:
                pieces[-1].append(number)
            else:
                pieces.append(array("I", (number,)))
                self._firsts.append(number)
            return
        at = max(bisect_right(self._firsts, number) - 1, 0)
        piece = pieces[at]
        piece.insert(bisect_left(piece, number), number)
        self._firsts[at] = piece[0]
        if len(piece) > 2 * FULL:
            pieces.insert(at + 1, piece[FULL:])
            del piece[FULL:]
            self._firsts.insert(at + 1, pieces[at + 1][0])

    def remove(self, number: int) -> None:
        at = bisect_right(self._firsts, number) - 1
        piece = self._pieces[at] if at >= 0 else array("I")
        where = bisect_left(piece, number)
        if where == len(piece) or piece[where] != number:
            raise KeyError(number)
        self._length -= 1
        del piece[where]
        if piece:
            self._firsts[at] = piece[0]
        else:
            del self._pieces[at], self._firsts[at]

    def rank(self, number: int) -> int:
        """How many of the numbers are smaller."""
        at = bisect_right(self._firsts, number) - 1
        if at < 0:
            return 0
        return sum(map(len, self._pieces[:at])) + bisect_left(self._pieces[at], number)

    def cut(self, start: int, stop: int) -> list[int]:
        """The numbers from position `start` up to but not including `stop`."""
        found: list[int] = []
        wanted = max(stop - start, 0)
        for piece in self._pieces:
            if len(found) >= wanted:
                break
            if start >= len(piece):
                start -= len(piece)
                continue
            found.extend(piece[start : start + wanted - len(found)])
            start = 0
        return found

    def __iter__(self) -> Iterator[int]:
        for piece in self._pieces:
            yield from piece
