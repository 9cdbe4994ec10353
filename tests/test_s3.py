"""Stores on an S3 server that now and then fails: the same bytes as on disk, from one process and from workers."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import dask.config
import fsspec
import pytest

from seisdiff.cli.app import main
from tests.cluster_worker import SIZES
from tests.small_lines import line_file, small_line
from tests.test_resume import content

pytest.importorskip("s3fs", reason="the extra test brings s3fs")
pytest.importorskip("moto", reason="the extra test brings moto")

_QUICK = ["--method", "radon", "--moveout-ms", "-50:200:25", "--kind", "parabolic", "-q"]
_ERROR = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>try again</Message></Error>"


class Failing:
    """A WSGI application of which every seventh request fails, before or after it has been carried out, in turn.

    Of every eleventh answer the second half gets lost.
    """

    def __init__(self, served: Callable[..., Iterable[bytes]]) -> None:
        self.served, self.failed = served, 0
        self._count, self._lock = itertools.count(1), threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            number = next(self._count)
        fails, halves = number % 7 == 0, number % 11 == 0 and environ["REQUEST_METHOD"] == "GET"
        self.failed += fails or halves
        if fails and number % 2:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return self._refused(start_response)
        answer = list(self.served(environ, start_response if not fails else lambda *_: None))
        if fails:
            return self._refused(start_response)
        return [body[: len(body) // 2] for body in answer] if halves else answer

    def _refused(self, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("500 Internal Server Error", [("Content-Type", "text/xml"), ("Connection", "close")])
        return [_ERROR]


@pytest.fixture(scope="module")
def server() -> Iterator[Failing]:
    """An S3 server with the bucket `lines`, which this process and those it starts are led to."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: object) -> None:
            """Leave the terminal alone."""

    application = Failing(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    surroundings = {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.port}", "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seisdiff.cluster._threads_set", "1")
        for name, value in SIZES.items():
            patch.setattr(name, value)
        for name, value in surroundings.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("lines")
        with dask.config.set({"distributed.worker.preload": ["tests.cluster_worker"]}):
            yield application
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture(scope="module")
def folder(server: Failing, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a line, its store and what demultiple makes of it; the store is on the server too."""
    folder = tmp_path_factory.mktemp("s3")
    line_file(folder / "line.sgy", small_line(24, 16, 250).full)
    assert main(["ingest", str(folder / "line.sgy"), str(folder / "line.zarr"), "-q"]) == 0
    assert main(["demultiple", str(folder / "line.zarr"), str(folder / "out.zarr"), *_QUICK]) == 0
    assert main(["ingest", str(folder / "line.sgy"), "s3://lines/line.zarr", "-q"]) == 0
    return folder


def objects(url: str) -> dict[str, bytes]:
    """Return every object of a store by its name."""
    fs, root = fsspec.url_to_fs(url)
    fs.invalidate_cache()
    return {path[len(root) + 1 :]: body for path, body in fs.cat(fs.find(root)).items()}


@pytest.mark.parametrize("cluster", [[], ["--cluster", "local:1"]], ids=["here", "worker"])
def test_a_server_that_fails_now_and_then_changes_nothing(cluster: list[str], folder: Path, server: Failing) -> None:
    before, target = server.failed, f"s3://lines/{len(cluster)}.zarr"
    assert main(["demultiple", "s3://lines/line.zarr", target, *_QUICK, *cluster]) == 0
    assert server.failed - before > 5
    assert objects(target) == content(folder / "out.zarr")
    assert fsspec.filesystem("s3").glob("lines/.*ledger*") == []


def test_the_server_fails_in_every_way(folder: Path, server: Failing) -> None:
    assert objects("s3://lines/line.zarr") == content(folder / "line.zarr")
    assert server.failed > 5
