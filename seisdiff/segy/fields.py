"""Trace header fields: names, aliases, bytes and types, and how a user addresses them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from seisdiff.errors import OptionError

#: The place of offsets that are not recorded but worked out.
_COORDINATES = "coordinates"

#: Bytes of each type that a header field may have.
TYPE_BYTES = {"i1": 1, "u1": 1, "i2": 2, "u2": 2, "i4": 4, "u4": 4, "f4": 4, "i8": 8, "u8": 8, "f8": 8}


@dataclass(frozen=True)
class Field:
    """A trace header field: `byte` counts from 1 as the SEG-Y standard does.

    `kind` says what its number is: "number" (as it stands), "code", "scalar", "angle", "length" (m or ft, unscaled),
    "coordinate" (scaled by bytes 71-72), "elevation" (scaled by bytes 69-70), "time" (ms, scaled by bytes 215-216) or
    "distance" (worked out from the source and group coordinates, which begin at its byte).
    """

    name: str
    byte: int
    type: str = "i4"
    aliases: tuple[str, ...] = ()
    kind: str = "number"

    @property
    def last_byte(self) -> int:
        return self.byte + TYPE_BYTES[self.type] - 1

    @property
    def bytes(self) -> slice:
        """The place of the field in the header bytes, counted from 0."""
        return slice(self.byte - 1, self.last_byte)

    def dtype(self, byte_order: str) -> np.dtype:
        """The recorded dtype in a file of this byte order ("big" or "little")."""
        return np.dtype((">" if byte_order == "big" else "<") + self.type)


#: name, byte, type, kind, aliases (Seismic Unix keywords, then names that other libraries use).
_TABLE = """
trace_seq_line        1 i4 number tracl TRACE_SEQUENCE_LINE trace_seq_num_line
trace_seq_file        5 i4 number tracr TRACE_SEQUENCE_FILE trace_seq_num_reel
field_record          9 i4 number fldr FieldRecord orig_field_record_num ffid shot
channel              13 i4 number tracf TraceNumber trace_num_orig_record
shot_point           17 i4 number ep EnergySourcePoint energy_source_point_num
cdp                  21 i4 number ensemble_num cmp
trace_in_ensemble    25 i4 number cdpt CDP_TRACE trace_num_ensemble
trace_id_code        29 i2 code trid TraceIdentificationCode
vertical_sum         31 i2 number nvs NSummedTraces vertically_summed_traces
horizontal_stack     33 i2 number nhs NStackedTraces horizontally_stacked_traces
data_use             35 i2 code duse DataUse
offset               37 i4 length source_to_receiver_distance
receiver_elevation   41 i4 elevation gelev ReceiverGroupElevation receiver_group_elevation
source_elevation     45 i4 elevation selev SourceSurfaceElevation source_surface_elevation
source_depth         49 i4 elevation sdepth SourceDepth source_depth_below_surface
receiver_datum       53 i4 elevation gdel ReceiverDatumElevation receiver_datum_elevation
source_datum         57 i4 elevation sdel SourceDatumElevation source_datum_elevation
source_water_depth   61 i4 elevation swdep SourceWaterDepth
receiver_water_depth 65 i4 elevation gwdep GroupWaterDepth
elevation_scalar     69 i2 scalar scalel ElevationScalar elevation_depth_scalar
coordinate_scalar    71 i2 scalar scalco SourceGroupScalar
source_coord_x       73 i4 coordinate sx SourceX
source_coord_y       77 i4 coordinate sy SourceY
group_coord_x        81 i4 coordinate gx GroupX
group_coord_y        85 i4 coordinate gy GroupY
coordinate_unit      89 i2 code counit CoordinateUnits
weathering_velocity  91 i2 number wevel WeatheringVelocity
subweathering_velocity 93 i2 number swevel SubWeatheringVelocity
source_uphole_time   95 i2 time sut SourceUpholeTime
group_uphole_time    97 i2 time gut GroupUpholeTime
source_static        99 i2 time sstat SourceStaticCorrection source_static_correction
receiver_static     101 i2 time gstat GroupStaticCorrection receiver_static_correction
total_static        103 i2 time tstat TotalStaticApplied total_static_applied
lag_time_a          105 i2 time laga LagTimeA
lag_time_b          107 i2 time lagb LagTimeB
delay               109 i2 time delrt DelayRecordingTime delay_recording_time
mute_start          111 i2 time muts MuteTimeStart mute_time_start
mute_end            113 i2 time mute MuteTimeEND mute_time_end
samples             115 u2 number ns TRACE_SAMPLE_COUNT samples_per_trace
sample_interval     117 i2 number dt TRACE_SAMPLE_INTERVAL
gain_type           119 i2 code gain GainType instrument_gain_type
gain_constant       121 i2 number igc InstrumentGainConstant instrument_gain_const
initial_gain        123 i2 number igi InstrumentInitialGain instrument_gain_initial
correlated          125 i2 code corr correlated_data
sweep_start         127 i2 number sfs SweepFrequencyStart sweep_freq_start
sweep_end           129 i2 number sfe SweepFrequencyEnd sweep_freq_end
sweep_length        131 i2 number slen SweepLength
sweep_type          133 i2 code styp SweepType
sweep_taper_start   135 i2 number stat SweepTraceTaperLengthStart
sweep_taper_end     137 i2 number stae SweepTraceTaperLengthEnd
taper_type          139 i2 code tatyp TaperType
alias_filter        141 i2 number afilf AliasFilterFrequency alias_filter_freq
alias_slope         143 i2 number afils AliasFilterSlope alias_filter_slope
notch_filter        145 i2 number nofilf NotchFilterFrequency notch_filter_freq
notch_slope         147 i2 number nofils NotchFilterSlope notch_filter_slope
low_cut             149 i2 number lcf LowCutFrequency low_cut_freq
high_cut            151 i2 number hcf HighCutFrequency high_cut_freq
low_cut_slope       153 i2 number lcs LowCutSlope
high_cut_slope      155 i2 number hcs HighCutSlope
year                157 i2 number YearDataRecorded year_recorded
day                 159 i2 number DayOfYear day_of_year
hour                161 i2 number HourOfDay hour_of_day
minute              163 i2 number MinuteOfHour minute_of_hour
second              165 i2 number sec SecondOfMinute second_of_minute
time_basis          167 i2 code timbas TimeBaseCode time_basis_code
trace_weight        169 i2 number trwf TraceWeightingFactor trace_weighting_factor
group_roll          171 i2 number grnors GeophoneGroupNumberRoll1 group_num_roll_switch
group_first         173 i2 number grnofr GeophoneGroupNumberFirstTraceOrigField group_num_first_trace
group_last          175 i2 number grnlof GeophoneGroupNumberLastTraceOrigField group_num_last_trace
gap_size            177 i2 number gaps GapSize
over_travel         179 i2 code otrav OverTravel
cdp_x               181 i4 coordinate cdpx ensemble_coord_x
cdp_y               185 i4 coordinate cdpy ensemble_coord_y
inline              189 i4 number iline INLINE_3D inline_num
crossline           193 i4 number xline CROSSLINE_3D crossline_num
nearest_shot_point  197 i4 number sp ShotPoint
shot_point_scalar   201 i2 scalar scalsp ShotPointScalar
value_unit          203 i2 code trunit TraceValueMeasurementUnit
transduction_mantissa 205 i4 number tdcm TransductionConstantMantissa
transduction_exponent 209 i2 number tdcp TransductionConstantPower
transduction_unit   211 i2 code tdunit TransductionUnit
device_id           213 i2 number triden TraceIdentifier
time_scalar         215 i2 scalar sctrh ScalarTraceHeader times_scalar
source_type         217 i2 code stype SourceType
source_direction_mantissa 219 i4 number sedm SourceEnergyDirectionMantissa
source_direction_exponent 223 i2 number sede SourceEnergyDirectionExponent
source_measure_mantissa   225 i4 number smm SourceMeasurementMantissa
source_measure_exponent   229 i2 number sme SourceMeasurementExponent
source_measure_unit 231 i2 code smunit SourceMeasurementUnit
su_d1               181 f4 number d1
su_f1               185 f4 number f1
su_d2               189 f4 number d2
su_f2               193 f4 number f2
su_unscale          201 f4 number unscale
su_traces           205 i4 number ntr
su_mark             209 i2 number mark
angle                37 i4 angle
"""


def _parse(line: str) -> Field:
    name, byte, kind_of_number, kind, *aliases = line.split()
    return Field(name, int(byte), kind_of_number, tuple(aliases), kind)


#: Every known field by its canonical name.
FIELDS: dict[str, Field] = {field.name: field for field in map(_parse, _TABLE.strip().splitlines())}

_BY_ANY_NAME = {word.lower(): field for field in FIELDS.values() for word in (*field.aliases, field.name)}


def resolve_field(text: str) -> Field:
    """Return the field that a user names: "cdp", "fldr", "37", "37:i4", "offset=37", "cdp=21:i4", "offset=coordinates".

    A bare byte gets the name of the field that begins there and has that type, else "byte_37". Raises OptionError for
    unknown names (with the nearest valid one), bytes that are no header byte and unknown types.
    """
    name, equals, place = (part.strip() for part in text.partition("="))
    if equals:
        field = _named(name)
        if (field.name, place) == ("offset", _COORDINATES):
            return replace(field, byte=FIELDS["source_coord_x"].byte, kind="distance")
        byte, number_type = _place(text, place)
        return replace(field, byte=byte, type=number_type or field.type)
    if re.match(r"\d", name):
        return _by_place(text, name)
    return _named(name)


def load_mapping(path: str | Path) -> dict[str, Field]:
    """Read a mapping YAML, `name: byte` or `name: {byte: 37, type: i4}`; raises OptionError for anything else."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: cannot read the mapping: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionError(
            f"{path}: expected YAML lines such as 'offset: 37'; {' '.join(str(error).split())}"
        ) from error
    if not isinstance(content, dict):
        raise OptionError(f"{path}: expected YAML lines such as 'offset: 37', came {type(content).__name__}")
    fields = [_mapped(path, name, place) for name, place in content.items()]
    return {field.name: field for field in fields}


def dump_mapping(path: str | Path, fields: Mapping[str, Field]) -> None:
    """Write fields as a mapping YAML that `load_mapping` reads."""
    content = {
        name: _COORDINATES if field.kind == "distance" else {"byte": field.byte, "type": field.type}
        for name, field in fields.items()
    }
    Path(path).write_text(yaml.safe_dump(content, sort_keys=False, default_flow_style=None), encoding="utf-8")


def header_values(headers: np.ndarray, field: Field, byte_order: str) -> np.ndarray:
    """Return the numbers of a field as recorded (no scalar, no unit applied), one a trace.

    `headers` is uint8 (trace, header_byte). Raises OptionError where the headers are too short for the field.
    """
    if field.last_byte > headers.shape[-1]:
        raise OptionError(f"{field.name}: byte {field.last_byte} lies beyond the {headers.shape[-1]} header bytes")
    words = np.ascontiguousarray(headers[:, field.bytes]).view(field.dtype(byte_order))[:, 0]
    return words.astype(words.dtype.newbyteorder("="))


def set_header_values(headers: np.ndarray, field: Field, byte_order: str, values: np.ndarray | int) -> np.ndarray:
    """Return a copy of header bytes with the field set to numbers as they are to be recorded.

    Integers are rounded; raises OptionError where a number does not fit the field's type.
    """
    dtype = field.dtype(byte_order)
    wanted = np.broadcast_to(np.asarray(values), (len(headers),))
    if dtype.kind in "iu":
        wanted = np.rint(wanted)
        limits = np.iinfo(dtype)
        if len(wanted) and not (wanted.min() >= limits.min and wanted.max() <= limits.max):
            raise OptionError(f"{field.name}: {wanted.min():g} to {wanted.max():g} does not fit {field.type}")
    changed = headers.copy()
    changed[:, field.bytes] = wanted.astype(dtype)[:, None].view(np.uint8)
    return changed


def _named(name: str) -> Field:
    field = _BY_ANY_NAME.get(name.lower())
    if field is None and re.search(r"[./]", name):
        raise OptionError(f"{name!r} is no header field, nor a file that exists")
    if field is None:
        near = difflib.get_close_matches(name.lower(), _BY_ANY_NAME, n=1, cutoff=0.0)
        raise OptionError(
            f"{name!r} is no header field; the nearest is {_BY_ANY_NAME[near[0]].name!r} (or give a byte, 37:i4)"
        )
    return field


def _place(text: str, place: str) -> tuple[int, str]:
    byte, _, number_type = (part.strip() for part in place.partition(":"))
    if number_type and number_type not in TYPE_BYTES:
        raise OptionError(f"{text!r}: type {number_type!r} is unknown; expected one of {', '.join(TYPE_BYTES)}")
    if not re.fullmatch(r"[0-9]{1,6}", byte) or int(byte) < 1:
        raise OptionError(f"{text!r}: expected a header byte counted from 1, as in offset=37 or cdp=21:i4")
    return int(byte), number_type


def _by_place(text: str, place: str) -> Field:
    byte, number_type = _place(text, place)
    for field in FIELDS.values():
        if field.byte == byte and number_type in ("", field.type):
            return field
    return Field(f"byte_{byte}", byte, number_type or "i4")


def _mapped(path: str | Path, name: object, place: object) -> Field:
    if isinstance(place, dict) and set(place) <= {"byte", "type"} and "byte" in place:
        place = f"{place['byte']}:{place['type']}" if "type" in place else place["byte"]
    if isinstance(place, bool) or not isinstance(place, int | str):
        raise OptionError(f"{path}: {name}: expected a byte or {{byte, type}}, came {place!r}")
    return resolve_field(f"{name}={place}")
