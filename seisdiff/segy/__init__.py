"""SEG-Y and Seismic Unix files to and from surveys."""

from seisdiff.segy.fields import (
    FIELDS,
    Field,
    dump_mapping,
    header_values,
    load_mapping,
    resolve_field,
    set_header_values,
)
from seisdiff.segy.grouping import describe_gathers
from seisdiff.segy.layout import SegyLayout, detect_layout
from seisdiff.segy.made import Scales, header_scales, new_file_header, new_headers
from seisdiff.segy.new_traces import (
    TracePlan,
    match_offsets,
    plan_headers,
    refine_offsets,
    renumber,
    set_live,
)
from seisdiff.segy.read import open_segy
from seisdiff.segy.samples import decode, encode, exceptions, quantise
from seisdiff.segy.text import text_header
from seisdiff.segy.traces import scan_headers
from seisdiff.segy.write import SegyWriter

__all__ = [
    "FIELDS",
    "Field",
    "Scales",
    "SegyLayout",
    "SegyWriter",
    "TracePlan",
    "decode",
    "describe_gathers",
    "detect_layout",
    "dump_mapping",
    "encode",
    "exceptions",
    "header_scales",
    "header_values",
    "load_mapping",
    "match_offsets",
    "new_file_header",
    "new_headers",
    "open_segy",
    "plan_headers",
    "quantise",
    "refine_offsets",
    "renumber",
    "resolve_field",
    "scan_headers",
    "set_header_values",
    "set_live",
    "text_header",
]
