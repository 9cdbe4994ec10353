"""Surveys in Zarr v3 stores, which plain `xr.open_zarr` reads: written shard by shard, opened lazily, damage told.

How a store lies on disk: `amplitude` and `raw_exception` in shards of about 32 MiB (at most 64) made of inner chunks of
about 1 MiB that hold all samples of some traces; everything else in plain chunks; zstd with a checksum in every chunk,
so that any reader notices damage. Every chunk is there, even an empty one, except the shards of `raw_exception` that
are all zero; `raw_exception/shards.json` lists those that are there. The root `zarr.json` is written last: a store
without one is unfinished. Objects are put in place whole but not flushed: killed processes do no harm, lost power may.
"""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import xarray as xr
from fsspec.implementations.local import LocalFileSystem
from xarray.backends import BackendArray
from xarray.core import indexing

from seisdiff.errors import FileFormatError, MissingExtraError, OutputError, SeisdiffError, SurveyError
from seisdiff.store_layout import array_specs, root_attributes, table_spec
from seisdiff.survey import LAYOUT_VERSION, check_survey

if TYPE_CHECKING:
    import zarr

#: Fast zstd: mutes and dead traces vanish, noise-like samples are stored as they are; level 1 would save an eighth of a
#: field file and take half as long again to write, three times as long to read.
_LEVEL = -1
_UNIT_ARRAYS = ("amplitude", "raw_exception", "trace_header")
_SHARD_LIST = "raw_exception/shards.json"


def is_store(path_or_url: str | os.PathLike[str]) -> bool:
    """Tell by its name whether a path or URL is a Zarr store: it ends in .zarr."""
    return os.fspath(path_or_url).rstrip("/").lower().endswith(".zarr")


def locate(path_or_url: str | os.PathLike[str]) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the file system of a path or fsspec URL and the path within it, without a trailing slash.

    Raises MissingExtraError where the package that speaks the protocol is not installed, and FileFormatError where
    the protocol is unknown.
    """
    try:
        fs, path = fsspec.url_to_fs(os.fspath(path_or_url))
    except ImportError as error:
        raise MissingExtraError(f"{path_or_url}: {error}") from error
    except ValueError as error:
        raise FileFormatError(f"{path_or_url}: expected a path or a URL that fsspec knows; {error}") from error
    return fs, path.rstrip("/")


def is_local(fs: fsspec.AbstractFileSystem) -> bool:
    """Tell whether a file system is this machine's own."""
    return isinstance(fs, LocalFileSystem)


def put_object(fs: fsspec.AbstractFileSystem, path: str, data: bytes) -> None:
    """Write a small object so that it is there as a whole or not at all."""
    if not is_local(fs):
        fs.pipe_file(path, data)
        return
    aside = Path(f"{path}.{uuid.uuid4().hex}.partial")
    aside.write_bytes(data)
    os.replace(aside, path)


def open_store(url: str | os.PathLike[str]) -> xr.Dataset:
    """Open a finished store as a lazy survey whose samples and headers are read when they are asked for.

    Nothing but the axes is kept in memory; `.load()` what is used often. Raises OutputError for an unfinished store,
    FileFormatError for one that is missing, damaged, incomplete, newer or no survey, and SurveyError where it breaks
    the layout. A damaged chunk raises FileFormatError when it is read.
    """
    import zarr  # here, for runs without a store do not need it

    fs, root = locate(url)
    name = os.fspath(url)
    with _as_damage(name, "its metadata is damaged"):
        attrs = _root_attributes(fs, root, name)
        group = zarr.open_group(_zarr_url(fs, root), mode="r", zarr_format=3)
        arrays = {str(key): array for key, array in group.arrays()}
        _check_chunks(fs, root, arrays, name)
        survey = _as_dataset(arrays, attrs, name)
    try:
        check_survey(survey)
    except SurveyError as error:
        raise SurveyError(f"{name}: {error}") from error
    return survey


class StoreWriter:
    """Writes a survey into a new Zarr store, unit by unit, from any number of threads and processes.

    `template` has the sizes, variables, coordinates and attributes of the output. Its per-trace variables are copied
    at once, slice by slice; its `amplitude`, `raw_exception`, `trace_header` and `live` are not read. `unit_rows` is
    the number of traces of a unit: one shard of samples, and whole chunks of headers. With `resume` whatever is there
    is kept, and further processes can join. `history` is a line to add to the history.

    Raises OutputError where there is something at `url` already or the unfinished store is of another survey, and
    SurveyError for a template that breaks the layout or cannot be stored.
    """

    def __init__(
        self, url: str | os.PathLike[str], template: xr.Dataset, *, resume: bool = False, history: str | None = None
    ) -> None:
        check_survey(template)
        self._fs, self._root = locate(url)
        self._name = os.fspath(url)
        self._attrs = root_attributes(template, history)
        self._traces = template.sizes["trace"]
        with output_errors(self._name):
            existing = _list_objects(self._fs, self._root)
            if existing and not resume:
                raise OutputError(f"{self._name} exists already; remove it, or resume it if it is unfinished")
            specs, self.unit_rows = array_specs(template)
            self._arrays = {name: self._create(name, spec, existing) for name, spec in specs.items()}
            for name in specs:
                if name not in _UNIT_ARRAYS:
                    self._copy_table(name, template.variables[name], existing)

    def write(
        self,
        rows: slice,
        amplitude: np.ndarray,
        raw_exception: np.ndarray | None = None,
        trace_header: np.ndarray | None = None,
    ) -> None:
        """Write the traces `rows` (whole units): samples (trace, time) and headers (trace, byte).

        Without `raw_exception` it is zero there. Raises SurveyError for rows that cut a unit, and for arrays that have
        not the shape or dtype of the template.
        """
        start, stop = self._whole_units(rows)
        given = {"amplitude": amplitude, "raw_exception": raw_exception, "trace_header": trace_header}
        for name, values in given.items():
            if name not in self._arrays and values is not None and (name != "raw_exception" or values.any()):
                raise SurveyError(f"{self._name}: {name} is given, but the template has none")
            if name in self._arrays and not (name == "raw_exception" and values is None):
                self._write_rows(name, start, stop, values)

    def finish(self, dead_rows: np.ndarray, filled_rows: np.ndarray | Sequence[int] = ()) -> None:
        """Write `live` (false at `dead_rows`) and, last, the root metadata that makes the store a finished one.

        The traces `filled_rows` were dead in the template and are not: their `trace_id_code`, if kept, becomes 1.

        Raises OutputError where units have not been written.
        """
        live = np.ones(self._traces, bool)
        live[np.asarray(dead_rows, dtype=np.int64)] = False
        with output_errors(self._name):
            if len(filled_rows) and "trace_id_code" in self._arrays:
                codes = np.asarray(self._arrays["trace_id_code"][:])
                codes[np.asarray(filled_rows, dtype=np.int64)] = 1
                self._arrays["trace_id_code"][:] = codes
            self._arrays["live"] = self._create("live", table_spec(xr.Variable("trace", live)), {})
            self._copy_table("live", xr.Variable("trace", live), {})
            objects = _list_objects(self._fs, self._root)
            for name, array in self._arrays.items():
                missing = 0 if name == "raw_exception" else _missing_chunks(array, name, objects)
                if missing:
                    raise OutputError(f"{self._name}: {missing} chunks of {name} are not written yet; write all units")
            for key in objects:
                if key.endswith(".partial"):
                    self._fs.rm_file(f"{self._root}/{key}")
            self._write_root(objects)

    def _create(self, name: str, spec: dict[str, Any], existing: Mapping[str, int]) -> zarr.Array[Any]:
        import zarr
        from zarr.codecs import ZstdCodec

        store = _zarr_url(self._fs, f"{self._root}/{name}")
        config: Any = {"write_empty_chunks": name != "raw_exception"}
        if f"{name}/zarr.json" not in existing:
            codec = ZstdCodec(level=_LEVEL, checksum=True)
            return zarr.create_array(
                store, **spec, compressors=codec, config=config, overwrite=name == "live", zarr_format=3
            )
        found = zarr.open_array(store, mode="r+", zarr_format=3, config=config)
        if any(getattr(found, key) != spec[key] for key in ("shape", "dtype", "chunks", "shards")):
            raise OutputError(f"{self._name} is an unfinished store of another survey ({name} differs); start it anew")
        return found

    def _copy_table(self, name: str, variable: xr.Variable, existing: Mapping[str, int]) -> None:
        array = self._arrays[name]
        if not _missing_chunks(array, name, existing):
            return
        step = 8 * array.chunks[0]
        for start in range(0, array.shape[0], step):
            array[start : start + step] = variable[start : start + step].values.astype(array.dtype, copy=False)

    def _whole_units(self, rows: slice) -> tuple[int, int]:
        start, stop, step = rows.indices(self._traces)
        if step != 1 or start >= stop or start % self.unit_rows or (stop % self.unit_rows and stop != self._traces):
            told = f"rows {rows.start} to {rows.stop} of {self._traces} are not whole units"
            raise SurveyError(f"{self._name}: {told} of {self.unit_rows} traces")
        return start, stop

    def _write_rows(self, name: str, start: int, stop: int, values: np.ndarray | None) -> None:
        array = self._arrays[name]
        expected = (stop - start, *array.shape[1:])
        if values is None or values.shape != expected or values.dtype.newbyteorder("=") != array.dtype:
            came = "nothing" if values is None else f"{values.dtype} {values.shape}"
            raise SurveyError(f"{self._name}: {name} is {came}; expected {array.dtype} {expected}")
        if name == "raw_exception" and not values.any():
            return
        with output_errors(self._name):
            array[start:stop] = values.astype(array.dtype, copy=False)

    def _write_root(self, objects: Mapping[str, int]) -> None:
        if "raw_exception" in self._arrays:
            keys = _chunk_keys(self._arrays["raw_exception"], "raw_exception")
            shards = json.dumps([key for key in keys if key in objects])
            put_object(self._fs, f"{self._root}/{_SHARD_LIST}", shards.encode())
        metadata = {name: json.loads(self._fs.cat_file(f"{self._root}/{name}/zarr.json")) for name in self._arrays}
        root = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": self._attrs,
            "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": metadata},
        }
        put_object(self._fs, f"{self._root}/zarr.json", json.dumps(root, indent=1).encode())


class _StoredArray(BackendArray):
    """An array of a store, read when it is indexed."""

    def __init__(self, array: zarr.Array[Any], name: str) -> None:
        self.array, self.name = array, name
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        with _as_damage(self.name, f"a chunk of {self.array.basename} is damaged"):
            plain = all(isinstance(part, (int, np.integer, slice)) for part in key)
            return np.asarray(self.array[key] if plain else self.array.oindex[key])


@contextmanager
def _as_damage(name: str, what: str) -> Iterator[None]:
    """Turn what zarr raises on damaged data, which may be of any kind, into FileFormatError."""
    try:
        yield
    except (SeisdiffError, IndexError, MemoryError):
        raise
    except Exception as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise FileFormatError(f"{name}: {what}: {told}") from error


@contextmanager
def output_errors(name: str) -> Iterator[None]:
    """Turn what the system says while `name` is written into OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{name} cannot be written: {error.strerror or error}") from error


def _zarr_url(fs: fsspec.AbstractFileSystem, root: str) -> str:
    return root if is_local(fs) else str(fs.unstrip_protocol(root))


def _list_objects(fs: fsspec.AbstractFileSystem, root: str) -> dict[str, int]:
    """Return the size of every object of a store by its key; a size that is not told counts as 1."""
    fs.invalidate_cache()
    found: Any = fs.find(root, detail=True)
    sizes = {path[len(root) :].lstrip("/"): info.get("size") for path, info in found.items()}
    return {key: 1 if size is None else size for key, size in sizes.items()}


def _chunk_keys(array: zarr.Array[Any], name: str) -> Iterator[str]:
    for place in product(*(range(count) for count in _grid(array))):
        yield "/".join([name, "c", *map(str, place)])


def _grid(array: zarr.Array[Any]) -> tuple[int, ...]:
    return tuple(-(-size // chunk) for size, chunk in zip(array.shape, array.shards or array.chunks, strict=True))


def _missing_chunks(array: zarr.Array[Any], name: str, objects: Mapping[str, int]) -> int:
    expected = math.prod(_grid(array))
    if expected > len(objects):
        return expected - sum(key.startswith(f"{name}/c/") for key in objects)
    return sum(not objects.get(key) for key in _chunk_keys(array, name))


def _root_attributes(fs: fsspec.AbstractFileSystem, root: str, name: str) -> dict[str, Any]:
    """Return the attributes of a finished survey store, or raise what says why it is none."""
    try:
        metadata = json.loads(fs.cat_file(f"{root}/zarr.json"))
    except (FileNotFoundError, NotADirectoryError):
        raise _why_no_root(fs, root, name) from None
    attrs = metadata["attributes"] if metadata["node_type"] == "group" else {}
    version = attrs.get("seisdiff_layout")
    if version is None:
        raise FileFormatError(f"{name}: a Zarr store but no survey: it has no attribute seisdiff_layout")
    if int(version) > LAYOUT_VERSION:
        raise FileFormatError(f"{name}: layout version {version}, newer than {LAYOUT_VERSION}; update seisdiff")
    return attrs


def _why_no_root(fs: fsspec.AbstractFileSystem, root: str, name: str) -> SeisdiffError:
    if not fs.isdir(root):
        told = "a file; expected a Zarr store, which is a folder" if fs.exists(root) else "there is no such store"
        return FileFormatError(f"{name}: {told}")
    keys = _list_objects(fs, root)
    if any(key.endswith("/zarr.json") for key in keys):
        return OutputError(f"{name}: an unfinished store; run the command that made it again, with --resume")
    if {".zgroup", ".zarray", ".zmetadata"} & set(keys):
        return FileFormatError(f"{name}: a Zarr version 2 store; expected a survey in Zarr version 3")
    return FileFormatError(f"{name}: a folder that holds no Zarr store")


def _check_chunks(fs: fsspec.AbstractFileSystem, root: str, arrays: Mapping[str, zarr.Array[Any]], name: str) -> None:
    objects = _list_objects(fs, root)
    if "zarr.json" not in objects:
        return  # a server that does not list: a chunk that is missing reads as NaN
    if "amplitude" in arrays and arrays["amplitude"].shards is None:
        return  # written by xarray, which leaves out chunks that are all zero
    for key, array in arrays.items():
        if key == "raw_exception":
            missing = sum(not objects.get(shard) for shard in json.loads(fs.cat_file(f"{root}/{_SHARD_LIST}")))
        else:
            missing = _missing_chunks(array, key, objects)
        if missing:
            raise FileFormatError(f"{name}: {missing} chunks of {key} are missing or empty; make the store again")


def _as_dataset(arrays: Mapping[str, zarr.Array[Any]], attrs: Mapping[str, Any], name: str) -> xr.Dataset:
    variables = {}
    for key, array in arrays.items():
        dims = array.metadata.dimension_names  # type: ignore[union-attr]
        data = indexing.LazilyIndexedArray(_StoredArray(array, name))
        told = {word: value for word, value in array.attrs.items() if word != "_FillValue"}  # xarray's, for the file
        variables[key] = xr.Variable(dims or (), data, told)
    further = attrs.get("coordinates", "").split()
    coords = {key: value for key, value in variables.items() if key in further or value.dims == (key,)}
    data_vars = {key: value for key, value in variables.items() if key not in coords}
    return xr.Dataset(data_vars, coords, {key: value for key, value in attrs.items() if key != "coordinates"})
