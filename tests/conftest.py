"""Fixtures that several test modules use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # small gathers: more threads only wait for each other


@pytest.fixture(scope="session")
def field_data() -> Path:
    """The folder of real data, named by SEISDIFF_FIELD_DATA or beside the checkout; tests skip where it is absent."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("SEISDIFF_FIELD_DATA", root.parent / "shared" / "field"))
    if not folder.is_dir():
        pytest.skip("no field data: set SEISDIFF_FIELD_DATA to its folder")
    return folder
