"""Sample words: exact values against closed forms and another reader, and every word back as it was."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import segyio
from hypothesis import given, settings
from hypothesis import strategies as st

from seisdiff.errors import OptionError
from seisdiff.segy import decode, encode, exceptions, quantise
from seisdiff.segy.samples import apply_exceptions
from seisdiff.survey import SAMPLE_FORMATS

_ORDERS = ["big", "little"]
_quick = settings(deadline=None, max_examples=200)


def _raw(words: np.ndarray, byte_order: str) -> np.ndarray:
    words = np.atleast_2d(np.asarray(words, np.uint32)).astype(">u4" if byte_order == "big" else "<u4")
    return np.ascontiguousarray(words).view(np.uint8)


def _ibm_value(word: int) -> float:
    """The nearest float32 of sign x fraction x 16**(exponent - 64), in exact arithmetic."""
    exact = Fraction(word & 0xFFFFFF, 1 << 24) * Fraction(16) ** ((word >> 24 & 0x7F) - 64)
    with np.errstate(over="ignore", under="ignore"):
        magnitude = np.float32(np.float64(min(exact, Fraction(2) ** 200)))
    return float(-magnitude if word >> 31 else magnitude)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20), st.sampled_from(_ORDERS))
@_quick
def test_ibm_words_are_what_their_definition_says(words, byte_order):
    decoded = decode(_raw(words, byte_order), "ibm32", byte_order)[0]
    expected = np.array([_ibm_value(word) for word in words], np.float32)
    np.testing.assert_array_equal(decoded.view(np.uint32), expected.view(np.uint32))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@_quick
def test_numbers_become_the_nearest_normalised_ibm_word(numbers):
    raw, clipped = encode(np.array([numbers], np.float32), "ibm32", "big")
    assert clipped == 0
    for number, word in zip(numbers, raw.view(">u4")[0].tolist(), strict=True):
        fraction, exponent = word & 0xFFFFFF, (word >> 24 & 0x7F) - 64
        exact = Fraction(fraction, 1 << 24) * Fraction(16) ** exponent
        spacing = Fraction(16) ** exponent / (1 << 24)
        assert abs(exact - abs(Fraction(number))) <= spacing / 2
        assert word >> 31 == np.signbit(np.float32(number))
        assert fraction >> 20 or (word & 0x7FFFFFFF) == 0
        if abs(exact - abs(Fraction(number))) == spacing / 2:
            assert fraction % 2 == 0


def test_known_ibm_words():
    known = {0x42640000: 100.0, 0xC276A000: -118.625, 0x41100000: 1.0, 0x40800000: 0.5, 0x00000000: 0.0}
    np.testing.assert_array_equal(decode(_raw(list(known), "big"), "ibm32", "big")[0], list(known.values()))
    raw, clipped = encode(np.array([list(known.values())], np.float32), "ibm32", "big")
    assert raw.view(">u4")[0].tolist() == list(known)
    assert clipped == 0
    assert encode(np.array([[-0.0]], np.float32), "ibm32", "big")[0].view(">u4")[0, 0] == 0x80000000


def test_rounding_carries_into_the_next_digit_and_overflow_is_clipped():
    below_one = 1 - 2.0**-40
    raw, clipped = encode(np.array([[below_one, 7e75, -1e77, np.inf, np.nan, 1e-90]]), "ibm32", "big")
    words = raw.view(">u4")[0].tolist()
    assert words[0] == 0x41100000
    assert words[2:5] == [0xFFFFFFFF, 0x7FFFFFFF, 0]
    assert words[5] == 0
    assert clipped == 3


@given(st.integers(0, 2**32 - 1), st.sampled_from(_ORDERS))
@_quick
def test_every_ibm_word_comes_back_with_its_exception(seed, byte_order):
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, (4, 400), np.uint8)
    raw[1, :200] &= np.uint8(0x80)
    numbers, words = decode(raw, "ibm32", byte_order), exceptions(raw, "ibm32", byte_order)
    again, _ = encode(numbers, "ibm32", byte_order)
    apply_exceptions(again, words, numbers, byte_order)
    np.testing.assert_array_equal(again, raw)


@pytest.mark.parametrize("byte_order", _ORDERS)
def test_samples_that_were_changed_do_not_take_the_recorded_words(byte_order):
    raw = np.random.default_rng(3).integers(0, 256, (4, 400), np.uint8)
    raw[:, ::4] = 0x44
    words = exceptions(raw, "ibm32", byte_order)
    numbers = np.linspace(1, 2, 400, dtype=np.float32).reshape(4, 100)
    again, _ = encode(numbers, "ibm32", byte_order)
    apply_exceptions(again, words, numbers, byte_order)
    assert words.any()
    np.testing.assert_allclose(decode(again, "ibm32", byte_order), numbers, rtol=1e-6)


def test_normalised_words_and_zeros_have_no_exceptions():
    rng = np.random.default_rng(0)
    words = rng.integers(1 << 20, 1 << 24, (500, 300)) | rng.integers(40, 90, (500, 300)) << 24
    words[::7] = 0
    words[3, 5] = 0x80000000
    assert exceptions(_raw(words, "big"), "ibm32", "big") is None
    words[400, 7] = 0x41000001
    found = exceptions(_raw(words, "big"), "ibm32", "big")
    assert found is not None
    assert np.argwhere(found).tolist() == [[400, 7]]
    assert exceptions(_raw(words, "big"), "ieee32", "big") is None


@given(st.sampled_from(sorted(set(SAMPLE_FORMATS) - {"ibm32"})), st.sampled_from(_ORDERS), st.integers(0, 2**32 - 1))
@_quick
def test_every_other_word_comes_back_by_itself(sample_format, byte_order, seed):
    raw = np.random.default_rng(seed).integers(0, 256, (3, 24), np.uint8)
    again, clipped = encode(decode(raw, sample_format, byte_order), sample_format, byte_order)
    np.testing.assert_array_equal(again, raw)
    assert clipped == 0


def test_nan_payloads_survive():
    words = np.array([0x7F800001, 0xFFC12345, 0x7FBFFFFF, 0xFF800000], np.uint32)
    decoded = decode(_raw(words, "big"), "ieee32", "big")
    assert decoded.view(np.uint32)[0].tolist() == words.tolist()
    assert encode(decoded, "ieee32", "big")[0].tobytes() == _raw(words, "big").tobytes()


@pytest.mark.parametrize("sample_format", sorted(SAMPLE_FORMATS))
@pytest.mark.parametrize("byte_order", _ORDERS)
def test_integers_and_floats_have_their_values(sample_format, byte_order):
    width = SAMPLE_FORMATS[sample_format][1]
    numbers = [0, 1, 100, 127] + ([] if sample_format.startswith("u") else [-1, -128])
    if sample_format.startswith("i") and sample_format not in ("ibm32", "ieee32", "ieee64", "int8"):
        numbers += [2 ** (8 * width - 1) - 1, -(2 ** (8 * width - 1))]
    if "int" in sample_format:
        order = "big" if byte_order == "big" else "little"
        data = b"".join(n.to_bytes(width, order, signed=not sample_format.startswith("u")) for n in numbers)
        raw = np.frombuffer(data, np.uint8)[None]
        np.testing.assert_array_equal(decode(raw, sample_format, byte_order)[0], np.array(numbers, np.float64))
    raw, clipped = encode(np.array([numbers], np.float64), sample_format, byte_order)
    np.testing.assert_array_equal(decode(raw, sample_format, byte_order)[0], np.array(numbers, np.float64))
    assert clipped == 0


def test_integers_round_to_even_and_clip_with_a_count():
    numbers = np.array([[0.5, 1.5, 2.5, -0.5, 127.4, 127.6, -128.6, 1e9, np.nan, -np.inf]], np.float32)
    raw, clipped = encode(numbers, "int8", "big")
    assert raw.view(np.int8)[0].tolist() == [0, 2, 2, 0, 127, 127, -128, 127, 0, -128]
    assert clipped == 5
    assert encode(np.array([[-1.0, 70000.0]]), "uint16", "big")[1] == 2
    assert encode(np.array([[2.0**31, -(2.0**31)]]), "int32", "big")[1] == 1
    raw, clipped = encode(np.array([[2.0**23, -(2.0**23), 2.0**23 - 1]]), "int24", "little")
    assert decode(raw, "int24", "little")[0].tolist() == [2.0**23 - 1, -(2.0**23), 2.0**23 - 1]
    assert clipped == 1


def test_float64_beyond_float32_is_clipped_and_counted():
    raw, clipped = encode(np.array([[1e300, -1e300, np.inf, 1.0]]), "ieee32", "big")
    values = decode(raw, "ieee32", "big")[0]
    assert values.tolist() == [np.finfo(np.float32).max, -np.finfo(np.float32).max, np.inf, 1.0]
    assert clipped == 2


@given(st.sampled_from(sorted(SAMPLE_FORMATS)), st.integers(0, 2**32 - 1))
@_quick
def test_quantised_numbers_read_back_as_they_are(sample_format, seed):
    numbers = (np.random.default_rng(seed).standard_normal((2, 3, 11)) * 300).astype(np.float32)
    rounded, clipped = quantise(numbers, sample_format)
    assert rounded.shape == numbers.shape
    assert rounded.dtype == SAMPLE_FORMATS[sample_format][2]
    raw, clipped_again = encode(rounded.reshape(6, 11), sample_format, "big")
    np.testing.assert_array_equal(decode(raw, sample_format, "big").reshape(numbers.shape), rounded)
    assert clipped_again == 0
    assert (clipped > 0) == (sample_format in ("int8", "uint8", "uint16", "uint24", "uint32"))


def test_segyio_reads_ibm_alike(tmp_path):
    rng = np.random.default_rng(5)
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount = 1, np.arange(200), 50
    numbers = (rng.standard_normal((50, 200)) * 10.0 ** rng.integers(-20, 20, (50, 200))).astype(np.float32)
    with segyio.create(tmp_path / "ibm.sgy", spec) as file:
        file.trace.raw[:] = numbers
        for header in file.header:
            header[115] = 200
    content = np.fromfile(tmp_path / "ibm.sgy", np.uint8, offset=3600).reshape(50, -1)
    with segyio.open(tmp_path / "ibm.sgy", ignore_geometry=True) as file:
        np.testing.assert_array_equal(decode(content[:, 240:], "ibm32", "big"), file.trace.raw[:])


def test_rows_are_picked_in_any_order():
    rng = np.random.default_rng(1)
    raw = rng.integers(0, 256, (900, 4 * 300), np.uint8)
    rows = rng.permutation(900)
    np.testing.assert_array_equal(
        decode(raw, "int16", "big", rows=rows), decode(np.ascontiguousarray(raw[rows]), "int16", "big")
    )
    np.testing.assert_array_equal(
        exceptions(raw, "ibm32", "big", rows=rows), exceptions(np.ascontiguousarray(raw[rows]), "ibm32", "big")
    )


def test_unknown_formats_are_named():
    with pytest.raises(OptionError, match="ieee32"):
        decode(np.zeros((1, 4), np.uint8), "ieee", "big")
