"""Samples as greyscale PNGs, one sample a pixel, from numpy alone."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

#: Amplitudes up to this many times the clip are told apart, so that a reader may turn the display down.
HEADROOM = 2.0
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UP = 2


def amplitude_levels(samples: np.ndarray, clip: float) -> np.ndarray:
    """Return uint8 levels of amplitudes: 128 is zero, 1 and 255 are minus and plus twice the clip."""
    scaled = np.clip(samples / (HEADROOM * clip), -1, 1)
    return (128 + np.round(127 * scaled)).astype(np.uint8)


def share_levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return uint8 levels of values from `low` (0) to `high` (255)."""
    return np.round(255 * np.clip((values - low) / (high - low), 0, 1)).astype(np.uint8)


def png(levels: np.ndarray) -> bytes:
    """Return an 8-bit greyscale PNG of levels (row, column); rows are coded as differences from the one above."""
    rows, columns = levels.shape
    coded = np.empty((rows, columns + 1), np.uint8)
    coded[:, 0] = _UP
    coded[:, 1:] = np.diff(levels, axis=0, prepend=np.zeros((1, columns), np.uint8))
    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(coded.tobytes(), 6)), (b"IEND", b""))
    )


def data_uri(levels: np.ndarray) -> str:
    """Return levels (row, column) as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png(levels)).decode("ascii")
