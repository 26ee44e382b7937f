"""Blocks of bytes as the lines of a text file: unpacked, in UTF-8, and bounded."""

import codecs
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from app.domain.errors import Fault

MEBIBYTE = 1024 * 1024

_LONGEST_MARK = 4  # bytes at the beginning that tell what a file is
_GZIP = b"\x1f\x8b"
_WINDOW = zlib.MAX_WBITS | 16  # with the header and the checksum of gzip
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .xls
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Bounds(NamedTuple):
    """How many bytes a line, and a whole file once it is unpacked, may have."""

    line: int = MEBIBYTE
    total: int = 16 * 1024 * MEBIBYTE


USUAL = Bounds()


class UnreadableError(Exception):
    """The file cannot be read any further; why is told by a code that has a text."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.fault = Fault("", code, params)


class UnreadableRowError(UnreadableError):
    """A row cannot be read; those after it can."""


def lines(blocks: Iterable[bytes], bounds: Bounds) -> Iterator[bytes | None]:
    """Each line without its end; None for one that is too long.

    The lines are UTF-8 unless the sender was wrong. Raises UnreadableError when a packed file is
    damaged or too large, or the file is a workbook.
    """
    begun, size, cut = list[bytes](), 0, False  # of the line that has not ended yet, its pieces
    for block in _utf8(_bounded(_unpacked(blocks), bounds.total)):
        first, *others = block.split(b"\n")
        begun.append(first)
        size += len(first)
        if others:
            line = b"".join(begun)
            yield None if cut or len(line) > bounds.line else line
            for line in others[:-1]:
                yield None if len(line) > bounds.line else line
            begun, size, cut = [others[-1]], len(others[-1]), False
        if size > bounds.line:
            begun, size, cut = [], 0, True
    if size or cut:
        yield None if cut else b"".join(begun)


def _marked(blocks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """What the file begins with, and all its blocks."""
    head, following = b"", iter(blocks)
    while len(head) < _LONGEST_MARK and (block := next(following, None)) is not None:
        head += block
    return head[:_LONGEST_MARK], chain([head], following)


def _unpacked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes, unpacked if they are of gzip; it may have several members one after another."""
    mark, blocks = _marked(blocks)
    if not mark.startswith(_GZIP):
        yield from blocks
        return
    archive = _Archive()
    try:
        for block in blocks:
            yield from archive.pieces(block)
    except zlib.error:
        raise UnreadableError("bad-gzip") from None
    if archive.unended:
        raise UnreadableError("bad-gzip")


class _Archive:
    """A gzip archive as it arrives."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_WINDOW)
        self.unended = True

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """What comes out of the next packed bytes, at most a mebibyte at a time."""
        while True:
            if not self.unended:
                packed = packed.lstrip(b"\0")  # what pads an archive between its members
                if not packed:
                    return
                self._member, self.unended = zlib.decompressobj(_WINDOW), True
            piece = self._member.decompress(packed, MEBIBYTE)
            if piece:
                yield piece
            self.unended = not self._member.eof
            if not self.unended:
                packed = self._member.unused_data
            elif not (packed := self._member.unconsumed_tail):
                return


def _bounded(blocks: Iterable[bytes], most: int) -> Iterator[bytes]:
    seen = 0
    for block in blocks:
        seen += len(block)
        if seen > most:
            raise UnreadableError("file-too-large", limit=most)
        yield block


def _utf8(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The text without its mark, in UTF-8 where the mark says UTF-16 ("Unicode text" of Excel)."""
    mark, blocks = _marked(blocks)
    if mark.startswith(_WORKBOOKS):
        raise UnreadableError("workbook-not-csv")
    if not mark.startswith(_UTF16):
        first = next(blocks).removeprefix(codecs.BOM_UTF8)
        yield from chain([first], blocks)
        return
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        for block in blocks:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeDecodeError:
        raise UnreadableError("bad-encoding") from None
