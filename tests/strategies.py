"""Hypothesis strategies that make SEG-Y and SU files, byte by byte, without the code under test."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from seisdiff.survey import SAMPLE_FORMATS

_END_OF_TEXT = b"((SEG: EndText))".ljust(3200)


@dataclass(frozen=True)
class FileSpec:
    """What a made file is like; `seed` decides its header bytes and sample words.

    `text_records` and `trailer_records` of -1 are recorded as "until the end mark" over two records.
    """

    container: str = "segy"
    byte_order: str = "big"
    sample_format: str = "ibm32"
    revision: tuple[int, int] = (1, 0)
    n_samples: int = 7
    folds: tuple[int, ...] = (3, 2)
    interval: int = 4000
    text_records: int = 0
    extra_headers: int = 0
    trailer_records: int = 0
    modern_words: bool = False
    random_headers: bool = False
    shuffled: bool = False
    duplicates: bool = False
    trace_samples_word: int | None = None
    seed: int = 0

    @property
    def suffix(self) -> str:
        return ".su" if self.container == "su" else ".sgy"

    @property
    def n_traces(self) -> int:
        return sum(self.folds)

    @property
    def header_bytes(self) -> int:
        return 240 * (1 + self.extra_headers)


@st.composite
def file_specs(draw: st.DrawFn) -> FileSpec:
    """Any well-formed file: containers x byte orders x formats x revisions x folds x headers x trailers."""
    container = draw(st.sampled_from(["segy", "segy", "su"]))
    revision = draw(st.sampled_from([(0, 0), (1, 0), (2, 0), (2, 1)])) if container == "segy" else (0, 0)
    modern = revision[0] == 2
    return FileSpec(
        container=container,
        byte_order=draw(st.sampled_from(["big", "little"])),
        sample_format=draw(st.sampled_from(sorted(SAMPLE_FORMATS))) if container == "segy" else "ieee32",
        revision=revision,
        n_samples=draw(st.integers(1, 33)),
        folds=tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))),
        interval=draw(st.integers(1, 32767)),
        text_records=draw(st.sampled_from([0, 1, 2, -1])) if revision[0] else 0,
        extra_headers=draw(st.integers(0, 2)) if modern else 0,
        trailer_records=draw(st.sampled_from([0, 1, 2, -1])) if modern else 0,
        modern_words=modern and draw(st.booleans()),
        random_headers=draw(st.booleans()),
        shuffled=draw(st.booleans()),
        duplicates=draw(st.booleans()),
        trace_samples_word=draw(st.sampled_from([None, 0, 462])) if container == "segy" else None,
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def make_file(spec: FileSpec) -> bytes:
    """Return the bytes of the file that a spec describes."""
    rng = np.random.default_rng(spec.seed)
    traces = _trace_headers(spec, rng)
    samples = rng.integers(0, 256, (spec.n_traces, spec.n_samples * SAMPLE_FORMATS[spec.sample_format][1]), np.uint8)
    if spec.sample_format == "ibm32":
        _put_usual_ibm_words(spec, samples, rng)
    body = np.concatenate([traces, samples], axis=1).tobytes()
    if spec.container == "su":
        return body
    return _file_header(spec, rng) + body + _trailer(spec, rng)


def write_file(spec: FileSpec, folder: Path, name: str = "made") -> Path:
    """Write the file that a spec describes and return its path."""
    path = folder / f"{name}{spec.suffix}"
    path.write_bytes(make_file(spec))
    return path


def put(header: np.ndarray, byte_order: str, byte: int, kind: str, values: np.ndarray | int) -> None:
    """Set a word of headers (trace, byte) in place; `byte` counts from 1."""
    words = np.broadcast_to(np.asarray(values), (len(header),)).astype((">" if byte_order == "big" else "<") + kind)
    header[:, byte - 1 : byte - 1 + words.itemsize] = words[:, None].view(np.uint8)


def _mark(spec: FileSpec) -> str:
    return ">" if spec.byte_order == "big" else "<"


def _trace_headers(spec: FileSpec, rng: np.random.Generator) -> np.ndarray:
    n = spec.n_traces
    random = rng.integers(0, 256, (n, spec.header_bytes), np.uint8)
    headers = random if spec.random_headers else np.zeros_like(random)
    headers[:, 240:] = random[:, 240:]
    if not spec.random_headers:
        gather = np.repeat(np.arange(len(spec.folds)) + 11, spec.folds)
        within = np.concatenate([np.arange(fold) for fold in spec.folds])
        words = {1: np.arange(n) + 1, 5: np.arange(n) + 1, 9: 7, 13: within + 1, 21: gather}
        words[37] = 100 + 25 * (within // (2 if spec.duplicates else 1))
        order = rng.permutation(n) if spec.shuffled else np.arange(n)
        for byte, values in words.items():
            put(headers, spec.byte_order, byte, "i4", np.broadcast_to(values, n)[order])
        put(headers, spec.byte_order, 29, "i2", 1)
        put(headers, spec.byte_order, 71, "i2", -100)
        put(headers, spec.byte_order, 73, "i4", rng.integers(-(10**8), 10**8, n))
    samples = spec.n_samples if spec.trace_samples_word is None else spec.trace_samples_word
    put(headers, spec.byte_order, 115, "u2", samples)
    put(headers, spec.byte_order, 117, "i2", spec.interval)
    return headers


def _put_usual_ibm_words(spec: FileSpec, samples: np.ndarray, rng: np.random.Generator) -> None:
    """Most words of real files are normalised: every other trace gets such."""
    words = samples.view(_mark(spec) + "u4")
    usual = rng.integers(1 << 20, 1 << 24, words.shape) | rng.integers(40, 90, words.shape) << 24
    words[::2] = (usual | rng.integers(0, 2, words.shape) << 31)[::2]


def _file_header(spec: FileSpec, rng: np.random.Generator) -> bytes:
    text = "".join(f"C{line:2d}".ljust(80) for line in range(1, 41))
    header = bytearray(text.encode("cp037" if spec.seed % 2 else "ascii") + bytes(400))

    def word(byte: int, kind: str, value: int | float) -> None:
        struct.pack_into(_mark(spec) + kind, header, byte - 1, value)

    word(3213, "h", int(rng.integers(1, 1000)))
    word(3217, "h", spec.interval)
    word(3221, "H", spec.n_samples)
    word(3225, "h", SAMPLE_FORMATS[spec.sample_format][0])
    header[3500:3502] = bytes(spec.revision)
    word(3505, "h", spec.text_records)
    if spec.revision[0] == 2:
        word(3507, "h", spec.extra_headers)
        word(3529, "i", spec.trailer_records)
    records = [rng.integers(32, 127, 3200, np.uint8).tobytes() for _ in range(abs(spec.text_records))]
    if spec.text_records == -1:
        records.append(_END_OF_TEXT if spec.seed % 3 else _END_OF_TEXT.decode().encode("cp037"))
    if spec.modern_words:
        word(3221, "H", 0)
        word(3269, "i", spec.n_samples)
        word(3273, "d", spec.interval + 0.5)
        header[3296:3300] = struct.pack(_mark(spec) + "I", 0x01020304)
        word(3513, "Q", spec.n_traces)
        word(3521, "Q", 3600 + 3200 * len(records))
    return bytes(header) + b"".join(records)


def _trailer(spec: FileSpec, rng: np.random.Generator) -> bytes:
    count = 2 if spec.trailer_records == -1 else spec.trailer_records
    records = [b"((SEG: Notes))" + rng.integers(65, 90, 3186, np.uint8).tobytes() for _ in range(count)]
    return b"".join(records)
