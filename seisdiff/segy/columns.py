"""Header variables of a survey worked out anew from header bytes that were changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from seisdiff.segy.fields import FIELDS, resolve_field
from seisdiff.segy.traces import HeaderValues


def header_columns(headers: np.ndarray, attrs: Mapping[str, Any], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the variables `names` of traces from their headers, uint8 (trace, byte), as `open_segy` would.

    `attrs` are the survey's, which say where fields lie; names that are no header field are left out.
    """
    places = attrs.get("header_fields", {})
    source: Any = SimpleNamespace(traces=headers)
    columns = {}
    for name in names:
        if name not in places and name not in FIELDS:
            continue
        field = resolve_field(f"{name}={places[name]}") if name in places else FIELDS[name]
        part = HeaderValues(field, attrs["byte_order"], attrs["container"], attrs["length_unit"] == "ft")
        columns[name] = part.read(source, slice(0, len(headers)), slice(0, 1))
    return columns
