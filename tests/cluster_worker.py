"""What makes a small file many units that take their time, in workers and in the commands that tests kill.

Dask loads this module in workers where DASK_DISTRIBUTED__WORKER__PRELOAD names it; as a program it runs a command.
"""

from __future__ import annotations

import sys
import time
from typing import Any

SIZES = {
    "seisdiff.store_layout.CHUNK_BYTES": 2**15, "seisdiff.store_layout.SHARD_BYTES": 2**16,
    "seisdiff.store_layout.MAX_SHARD_BYTES": 2**18,
    "seisdiff.units._COPIES_IN_FLIGHT": 10_000,
}  # fmt: skip
PRELOAD = {"DASK_DISTRIBUTED__WORKER__PRELOAD": f"['{__name__}']"}
SECONDS_A_UNIT = 0.1


def dask_setup(worker: object) -> None:
    """Make units small and slow in a worker."""
    import pytest

    from seisdiff import cluster

    write = cluster.write_unit

    def slowly(*arguments: Any) -> dict:
        time.sleep(SECONDS_A_UNIT)
        return write(*arguments)

    patch = pytest.MonkeyPatch()
    patch.setattr(cluster, "write_unit", slowly)
    for name, value in SIZES.items():
        patch.setattr(name, value)


if __name__ == "__main__":
    import signal

    from seisdiff.cli.app import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    dask_setup(None)
    sys.exit(main(sys.argv[1:]))
