"""The binary file header: the words that decide how a SEG-Y file is laid out."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from seisdiff.errors import FileFormatError
from seisdiff.survey import SAMPLE_FORMATS

FILE_HEADER_BYTES = 3600
FORMAT_BY_CODE = {code: name for name, (code, _, _) in SAMPLE_FORMATS.items()}
_REFUSED_FORMATS = {4: "fixed point with gain", 9: "8-byte integer", 12: "8-byte unsigned integer"}


@dataclass(frozen=True)
class BinaryHeader:
    """The words of the binary file header that decide the layout."""

    byte_order: str
    revision: tuple[int, int]
    format_code: int
    interval: int
    samples: int
    text_records: int
    length_code: int
    extended_samples: int
    extended_interval: float
    extra_headers: tuple[int, ...]
    traces: int
    first_trace: int
    trailer_records: int


def read_binary_header(header: bytes, byte_order: str) -> BinaryHeader:
    """Return the words of a file header (3600 bytes) that decide the layout; those of revision 2 only where it is."""
    mark = ">" if byte_order == "big" else "<"

    def word(byte: int, kind: str) -> int:
        return struct.unpack_from(mark + kind, header, byte - 1)[0]

    revision = _revision(header)
    later = revision[0] >= 2
    return BinaryHeader(
        byte_order=byte_order,
        revision=revision,
        format_code=word(3225, "h"),
        interval=word(3217, "h"),
        samples=word(3221, "H"),
        text_records=word(3505, "h"),
        length_code=word(3255, "h"),
        extended_samples=word(3269, "i") if later else 0,
        extended_interval=struct.unpack_from(mark + "d", header, 3272)[0] if later else 0.0,
        extra_headers=(word(3507, "h"), word(3507, "i")) if later else (),
        traces=word(3513, "Q") if later else 0,
        first_trace=word(3521, "Q") if later else 0,
        trailer_records=word(3529, "i") if later else 0,
    )


def _revision(header: bytes) -> tuple[int, int]:
    major, minor = header[3500], header[3501]
    return (minor, 0) if major == 0 and minor in (1, 2) else (major, minor)


def find_binary_header(header: bytes, path: str) -> BinaryHeader:
    constant = header[3296:3300]
    if constant == b"\x02\x01\x04\x03":
        raise FileFormatError(
            f"{path}: the bytes are swapped in pairs (endian constant 02010403); expected big or little endian"
        )
    orders = {b"\x01\x02\x03\x04": ["big"], b"\x04\x03\x02\x01": ["little"]}.get(constant, ["big", "little"])
    headers = [read_binary_header(header, order) for order in orders]
    for binary in headers:
        if binary.format_code in FORMAT_BY_CODE or binary.format_code in _REFUSED_FORMATS:
            return binary
    raise FileFormatError(
        f"{path}: expected one of SEG-Y's sample formats, 1 to 16, at bytes 3225-3226, came {headers[0].format_code}; "
        "this is not a SEG-Y file"
    )


def recorded_format(binary: BinaryHeader, path: str) -> str:
    if binary.format_code in _REFUSED_FORMATS:
        name = _REFUSED_FORMATS[binary.format_code]
        raise FileFormatError(
            f"{path}: sample format {binary.format_code} ({name}) is not read; convert the file to one of "
            f"{', '.join(SAMPLE_FORMATS)}"
        )
    return FORMAT_BY_CODE[binary.format_code]
