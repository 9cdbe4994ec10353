"""Sample words: decode to numbers and encode back, exactly, for every format of SEG-Y that is read."""

from __future__ import annotations

import math
import threading

import numpy as np

from seisdiff.errors import OptionError
from seisdiff.segy.blocks import run_blocks
from seisdiff.survey import SAMPLE_FORMATS

_WORD = np.uint32
_SIGN, _MAGNITUDE = _WORD(0x80000000), _WORD(0x7FFFFFFF)
_IBM_EXPONENT, _IBM_FRACTION, _IBM_TOP_DIGIT = _WORD(0x7F000000), _WORD(0x00FFFFFF), _WORD(0x00F00000)
#: Exponents of normalised IBM floats that are normal float32 numbers whatever their fraction.
_IBM_LOWEST, _IBM_HIGHEST = _WORD(39 << 24), _WORD(96 << 24)
_IEEE_EXPONENT, _IEEE_LOWEST = _WORD(0x7F800000), _WORD(23 << 23)
#: Samples of a block: many enough that threads seldom wait for each other, few enough for the cache.
_BLOCK_SAMPLES = 1 << 18
_own = threading.local()
_INTEGERS = {"int32": "i4", "int16": "i2", "int8": "i1", "uint32": "u4", "uint16": "u2", "uint8": "u1"}


def decode(raw: np.ndarray, sample_format: str, byte_order: str, *, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the numbers (trace, sample) of recorded samples, uint8 (trace, bytes), as the dtype of SAMPLE_FORMATS.

    IBM floats beyond float32 become infinite or 0; IEEE words keep every bit. `rows` picks traces, in any order.
    """
    _, width, dtype = sample_format_of(sample_format)
    shape = (len(raw) if rows is None else len(rows), raw.shape[1] // width)
    amplitude = np.empty(shape, dtype)

    def block(part: slice) -> None:
        chosen = raw[part] if rows is None else raw[rows[part]]
        _decode_block(chosen, amplitude[part], sample_format, byte_order)

    run_blocks(block, shape[0], _block_rows(shape[1]))
    return amplitude


def encode(
    amplitude: np.ndarray, sample_format: str, byte_order: str, out: np.ndarray | None = None
) -> tuple[np.ndarray, int]:
    """Return the recorded samples, uint8 (trace, bytes), of numbers (trace, sample), and how many were clipped.

    Rounds to nearest, ties to even. Numbers beyond the format become its largest, NaN in a format without one becomes
    0; both count as clipped. `out` is filled where given.
    """
    _, width, _ = sample_format_of(sample_format)
    raw = np.empty((amplitude.shape[0], amplitude.shape[1] * width), np.uint8) if out is None else out

    def block(rows: slice) -> int:
        return _encode_block(amplitude[rows], raw[rows], sample_format, byte_order)

    return raw, sum(run_blocks(block, amplitude.shape[0], _block_rows(amplitude.shape[1])))


def quantise(amplitude: np.ndarray, sample_format: str) -> tuple[np.ndarray, int]:
    """Return numbers of any shape as they will read back from a file of this format, and how many were clipped."""
    _, _, dtype = sample_format_of(sample_format)
    if amplitude.dtype == dtype and sample_format in ("ieee32", "ieee64"):
        return amplitude.copy(), 0
    rows = amplitude.reshape(-1, amplitude.shape[-1]) if amplitude.size else amplitude.reshape(0, 1)
    raw, clipped = encode(rows, sample_format, "little")
    return decode(raw, sample_format, "little").reshape(amplitude.shape), clipped


def exceptions(
    raw: np.ndarray, sample_format: str, byte_order: str, *, rows: np.ndarray | None = None
) -> np.ndarray | None:
    """Return what recorded IBM words differ by (XOR, uint32 (trace, sample)) from those that their numbers encode to.

    None where every word is the one that its number encodes to, as in every other format. `rows` picks traces.
    """
    if sample_format != "ibm32":
        return None
    shape = (len(raw) if rows is None else len(rows), raw.shape[1] // 4)
    step = _block_rows(shape[1])

    def block(part: slice) -> np.ndarray | None:
        chosen = raw[part] if rows is None else raw[rows[part]]
        return _ibm_exceptions(chosen.view(_swapped("u4", byte_order)))

    found = run_blocks(block, shape[0], step)
    if all(differing is None for differing in found):
        return None
    result = np.zeros(shape, _WORD)
    for number, differing in enumerate(found):
        if differing is not None:
            result[number * step : (number + 1) * step] = differing
    return result


def apply_exceptions(raw: np.ndarray, raw_exception: np.ndarray, amplitude: np.ndarray, byte_order: str) -> None:
    """XOR recorded IBM samples, uint8 (trace, bytes), with their exceptions (trace, sample), in place.

    Only where that reads as the `amplitude`: elsewhere samples have been changed since they were read.
    """
    words = raw.view(_swapped("u4", byte_order))
    odd = np.nonzero(raw_exception)
    recorded = (words[odd] ^ raw_exception[odd]).astype(words.dtype)
    reads = decode(recorded.view(np.uint8)[None], "ibm32", byte_order)[0]
    words[odd] = np.where(reads == amplitude[odd], recorded, words[odd])


def sample_format_of(name: str) -> tuple[int, int, str]:
    """Return the SEG-Y code, bytes a sample and dtype of a sample format; raises OptionError for an unknown one."""
    if name not in SAMPLE_FORMATS:
        raise OptionError(f"sample format {name!r} is unknown; expected one of {', '.join(SAMPLE_FORMATS)}")
    return SAMPLE_FORMATS[name]


def _block_rows(n_samples: int) -> int:
    return max(1, _BLOCK_SAMPLES // max(1, n_samples))


def _swapped(dtype: str, byte_order: str) -> np.dtype:
    return np.dtype((">" if byte_order == "big" else "<") + dtype)


def _decode_block(raw: np.ndarray, out: np.ndarray, sample_format: str, byte_order: str) -> None:
    if sample_format == "ibm32":
        _decode_ibm(raw.view(_swapped("u4", byte_order)), out)
    elif sample_format == "ieee32":
        out.view(_WORD)[...] = raw.view(_swapped("u4", byte_order))
    elif sample_format == "ieee64":
        out.view(np.uint64)[...] = raw.view(_swapped("u8", byte_order))
    elif sample_format in _INTEGERS:
        out[...] = raw.view(_swapped(_INTEGERS[sample_format], byte_order))
    else:
        out[...] = _decode_int24(raw, sample_format, byte_order)


def _encode_block(amplitude: np.ndarray, out: np.ndarray, sample_format: str, byte_order: str) -> int:
    if sample_format == "ibm32":
        words, clipped = _encode_ibm(amplitude)
        out.view(_swapped("u4", byte_order))[...] = words
    elif sample_format == "ieee32":
        numbers, clipped = _as_float32(amplitude)
        out.view(_swapped("u4", byte_order))[...] = numbers.view(_WORD)
    elif sample_format == "ieee64":
        numbers, clipped = np.ascontiguousarray(amplitude, np.float64), 0
        out.view(_swapped("u8", byte_order))[...] = numbers.view(np.uint64)
    elif sample_format in _INTEGERS:
        numbers, clipped = _as_integers(amplitude, _INTEGERS[sample_format])
        out.view(_swapped(_INTEGERS[sample_format], byte_order))[...] = numbers
    else:
        clipped = _encode_int24(amplitude, out, sample_format, byte_order)
    return clipped


def _scratch(shape: tuple[int, ...]) -> np.ndarray:
    """Return three uint32 arrays of a shape that belong to this thread, used anew at every call.

    Fresh ones for each block would cost the system more time than the arithmetic.
    """
    size = math.prod(shape)
    if getattr(_own, "size", -1) < size:
        _own.words, _own.size = np.empty(3 * size, _WORD), size
    return _own.words[: 3 * size].reshape(3, *shape)


def _decode_ibm(recorded: np.ndarray, out: np.ndarray) -> None:
    """fraction x 16**(exponent - 64) / 2**24: two exact float32 factors, the sign put back at the end."""
    words, scale, spare = _scratch(out.shape)
    words[...] = recorded
    np.bitwise_and(words, _IBM_EXPONENT, out=scale)
    unusual = np.subtract(scale, _IBM_LOWEST, out=spare) > _IBM_HIGHEST - _IBM_LOWEST
    any_unusual = bool(unusual.any())
    if any_unusual:
        np.clip(scale, _IBM_LOWEST, _IBM_HIGHEST, out=scale)
    scale <<= _WORD(1)
    scale -= _WORD(153 << 23)
    fraction = np.bitwise_and(words, _IBM_FRACTION, out=spare)
    out[...] = fraction.view(np.int32)
    out *= scale.view(np.float32)
    bits = out.view(_WORD)
    bits |= np.bitwise_and(words, _SIGN, out=scale)
    if any_unusual and fraction[unusual].any():
        _decode_unusual_ibm(words, unusual & (fraction != 0), out)


def _decode_unusual_ibm(words: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """The words whose exponent of 16 takes them out of float32, or near its edge, one by one."""
    chosen = words[places]
    powers = 4 * (chosen >> _WORD(24) & _WORD(0x7F)).astype(np.int32) - 280
    magnitude = np.ldexp((chosen & _IBM_FRACTION).astype(np.float64), powers)
    with np.errstate(over="ignore", under="ignore"):
        out[places] = np.where(chosen & _SIGN, -magnitude, magnitude).astype(np.float32)


def _encode_ibm(amplitude: np.ndarray) -> tuple[np.ndarray, int]:
    """The exponent of 16 is a quarter of that of 2, rounded up; the fraction is then an exact product, rounded once."""
    if amplitude.dtype != np.float32:
        return _encode_ibm_exactly(amplitude)
    bits = np.ascontiguousarray(amplitude).view(_WORD)
    words = bits & _MAGNITUDE
    exponent = words & _IEEE_EXPONENT
    np.maximum(exponent, _IEEE_LOWEST, out=exponent)
    exponent += _WORD(133 << 23)
    exponent >>= _WORD(1)
    exponent &= _IBM_EXPONENT
    scale = exponent << _WORD(1)
    np.subtract(_WORD(407 << 23), scale, out=scale)
    fraction = scale.view(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        np.multiply(words.view(np.float32), fraction, out=fraction)
        np.rint(fraction, out=fraction)
        unusual = _unusual_floats(words)
        exponent *= np.minimum(words, _WORD(1), out=words)
        words.view(np.int32)[...] = fraction
    words |= exponent
    words |= np.bitwise_and(bits, _SIGN, out=exponent)
    if unusual is None:
        return words, 0
    words[unusual], clipped = _encode_ibm_exactly(amplitude[unusual])
    return words, clipped


def _unusual_floats(magnitude: np.ndarray) -> np.ndarray | None:
    """Where float32 numbers, as words without sign, are infinite, NaN, or so small that the scale is no float32."""
    distance = magnitude - _IEEE_LOWEST
    if distance.max(initial=0) < _IEEE_EXPONENT - _IEEE_LOWEST:
        return None
    places = (distance >= _IEEE_EXPONENT - _IEEE_LOWEST) & (magnitude != 0)
    return places if places.any() else None


def _encode_ibm_exactly(amplitude: np.ndarray) -> tuple[np.ndarray, int]:
    """Any float: carries, underflow to unnormalised fractions, overflow to the largest word, NaN to 0."""
    with np.errstate(invalid="ignore"):
        numbers = np.abs(amplitude.astype(np.float64))
    lost = ~np.isfinite(numbers)
    magnitude = np.where(lost, 0.0, numbers)
    exponent = np.maximum(-(-np.frexp(magnitude)[1] // 4), -64)
    fraction = np.rint(np.ldexp(magnitude, 24 - 4 * exponent)).astype(np.int64)
    carried = fraction >> 24 != 0
    fraction, exponent = np.where(carried, fraction >> 4, fraction), exponent + carried
    words = np.where(fraction != 0, (exponent + 64 << 24) | fraction, 0)
    clipped = lost | (exponent > 63)
    words = np.where(clipped, np.where(np.isnan(numbers), 0, int(_MAGNITUDE)), words)
    return words.astype(_WORD) | np.where(np.signbit(amplitude), _SIGN, _WORD(0)), int(clipped.sum())


def _ibm_exceptions(recorded: np.ndarray) -> np.ndarray | None:
    words, magnitude, spare = _scratch(recorded.shape)
    words[...] = recorded
    np.bitwise_and(words, _MAGNITUDE, out=magnitude)
    unsure = np.bitwise_and(words, _IBM_TOP_DIGIT, out=spare) == 0
    unsure |= np.subtract(magnitude, _IBM_LOWEST, out=spare) >= _WORD(96 - 39 << 24)
    unsure &= magnitude != 0
    if not unsure.any():
        return None
    chosen = words[unsure]
    numbers = np.empty(chosen.shape, np.float32)
    _decode_ibm(chosen, numbers)
    differing = _encode_ibm(numbers)[0] ^ chosen
    if not differing.any():
        return None
    result = np.zeros(words.shape, _WORD)
    result[unsure] = differing
    return result


def _as_float32(amplitude: np.ndarray) -> tuple[np.ndarray, int]:
    if amplitude.dtype == np.float32:
        return np.ascontiguousarray(amplitude), 0
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        numbers = np.ascontiguousarray(amplitude, np.float32)
    over = np.isinf(numbers) & np.isfinite(amplitude)
    if over.any():
        numbers[over] = np.copysign(np.finfo(np.float32).max, numbers[over])
    return numbers, int(over.sum())


def _as_integers(amplitude: np.ndarray, dtype: str, bits: int | None = None) -> tuple[np.ndarray, int]:
    info = np.iinfo(dtype)
    low, high = (info.min, info.max) if bits is None else (info.min >> 32 - bits, info.max >> 32 - bits)
    wide = np.dtype(dtype).itemsize == 4 and bits is None
    numbers = np.rint(amplitude.astype(np.float64) if wide else amplitude)
    if numbers.size == 0 or (numbers.min() >= low and numbers.max() <= high):
        return numbers.astype(dtype), 0
    clipped = ~((numbers >= low) & (numbers <= high))
    numbers = np.clip(np.where(np.isnan(numbers), 0, numbers), low, high)
    return numbers.astype(dtype), int(clipped.sum())


def _decode_int24(raw: np.ndarray, sample_format: str, byte_order: str) -> np.ndarray:
    rows, length = raw.shape
    padded = np.zeros((rows, length // 3, 4), np.uint8)
    start = 0 if byte_order == "big" else 1
    padded[..., start : start + 3] = raw.reshape(rows, length // 3, 3)
    number_type = _swapped("i4" if sample_format == "int24" else "u4", byte_order)
    words = padded.view(number_type)[..., 0]
    return words.astype(number_type.newbyteorder("=")) >> 8


def _encode_int24(amplitude: np.ndarray, out: np.ndarray, sample_format: str, byte_order: str) -> int:
    numbers, clipped = _as_integers(amplitude, "i4" if sample_format == "int24" else "u4", bits=24)
    padded = numbers.astype(_swapped(numbers.dtype.str[1:], byte_order))[..., None].view(np.uint8)
    start = 1 if byte_order == "big" else 0
    out[...] = padded[..., start : start + 3].reshape(out.shape)
    return clipped
