"""The textual file header: 40 lines of 80 characters, EBCDIC or ASCII."""

from __future__ import annotations

import re

import numpy as np
import xarray as xr

TEXT_BYTES = 3200
_LINE = 80
_CODECS = {"ebcdic": "cp037", "ascii": "latin-1"}
_END_OF_TEXT = re.compile(r"\(\(\s*SEG\s*:\s*END\s*TEXT\s*\)\)", re.IGNORECASE)
_LAST_LINES = re.compile(r"END\s+(TEXTUAL|EBCDIC|TEXT)", re.IGNORECASE)
#: A line that holds nothing: spaces or zero bytes after "C", the line number, and perhaps a full stop.
_BLANK = re.compile(r"(C\s{0,2}\d{1,2}\.?)?[\s\0]*")


def text_encoding(text: bytes) -> str:
    """Return "ascii" or "ebcdic": under which of the two more characters are printable; "ebcdic" where neither is."""
    return "ascii" if _printable(text, "ascii") > _printable(text, "ebcdic") else "ebcdic"


def decode_text(text: bytes, encoding: str) -> str:
    """Return 40 lines of a textual header, unprintable characters as spaces, trailing spaces removed."""
    letters = "".join(letter if letter.isprintable() else " " for letter in text.decode(_CODECS[encoding]))
    return "\n".join(letters[start : start + _LINE].rstrip() for start in range(0, len(letters), _LINE))


def encode_text(lines: str, encoding: str = "ebcdic") -> bytes:
    """Return the 3200 bytes of a textual header; lines are cut at 80 characters, missing ones are blank."""
    rows = [line[:_LINE].ljust(_LINE) for line in lines.splitlines()[:40]]
    rows += [" " * _LINE] * (40 - len(rows))
    return "".join(rows).encode(_CODECS[encoding], errors="replace")


def ends_text(block: bytes) -> bool:
    """Tell whether a 3200-byte record holds the stanza ((SEG: EndText)), in EBCDIC or ASCII."""
    return any(_END_OF_TEXT.search(block.decode(codec)) for codec in _CODECS.values())


def begins_stanza(block: bytes) -> bool:
    """Tell whether the first bytes of a record begin a stanza, ((...)), in EBCDIC or ASCII."""
    return any(re.match(r"\s*\(\([^()]+\)\)", block.decode(codec)) for codec in _CODECS.values())


def text_header(survey: xr.Dataset) -> str:
    """Return the textual header of the file that a survey came from, 40 lines; "" where it came from none."""
    if "file_header" not in survey:
        return ""
    text = survey["file_header"][:TEXT_BYTES].values.tobytes()
    return decode_text(text, text_encoding(text))


def with_history(text: bytes, line: str) -> bytes | None:
    """Return a textual header with `line` in its last blank line, or None where no line is blank.

    Blank lines that follow an end mark (END TEXTUAL HEADER, END EBCDIC) are not used.
    """
    encoding = text_encoding(text)
    rows = [text[start : start + _LINE].decode(_CODECS[encoding]) for start in range(0, TEXT_BYTES, _LINE)]
    marks = [number for number, row in enumerate(rows) if _LAST_LINES.search(row)]
    free = [number for number, row in enumerate(rows[: marks[0] if marks else None]) if _BLANK.fullmatch(row)]
    if not free:
        return None
    row = f"C{free[-1] + 1:2d} {line}"[:_LINE].ljust(_LINE).encode(_CODECS[encoding], errors="replace")
    return text[: free[-1] * _LINE] + row + text[(free[-1] + 1) * _LINE :]


def _printable(text: bytes, encoding: str) -> int:
    letters = np.frombuffer(text.decode(_CODECS[encoding]).encode("latin-1", errors="replace"), np.uint8)
    return int(((letters >= 32) & (letters < 127)).sum())
