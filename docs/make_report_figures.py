"""Make the pictures of docs/report.md: `python docs/make_report_figures.py` from the root of the checkout.

Reports are made by the commands that their pages show, opened in headless Chromium and cut to a part. The real gather
is looked for in the folder that SEISDIFF_FIELD_DATA names, or in ../shared/field. Sizes and seconds are printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from seisdiff.cli.app import main
from seisdiff.cli.demo import write_segy
from seisdiff.synthetic.marine import marine_line

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
FIELD = Path(os.environ.get("SEISDIFF_FIELD_DATA", ROOT.parent / "shared" / "field"))
#: Width of the window, and the rows of the page that a picture keeps.
WIDTH = 1400
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=20000",
)  # fmt: skip
#: The palette of pictures: greys, those of f-k and semblance, and the colours of lines and words.
_GREYS, _VIRIDIS = 96, 64
_LINES = ((193, 101, 26), (53, 114, 165), (31, 78, 121), (166, 27, 27), (154, 98, 0), (44, 110, 73), (90, 103, 117))


def gom(folder: Path) -> None:
    """The Gulf of Mexico gather: summary and panels."""
    page, source = folder / "gom.html", FIELD / "prestack" / "gom_cdp_nmo.su"
    shutil.copy(source, folder)
    os.chdir(folder)
    _run("demultiple", source.name, "clean.su", "--units", "ft", "--start-ms", "auto", "--report", page.name)
    _save("report_gom", _screenshot(page), (0, 1440))


def line(folder: Path) -> None:
    """A made line of 200 gathers: curves, and the gather of median leakage with its spectra."""
    os.chdir(folder)
    write_segy(marine_line(200, noise_db=26.0).full, Path("line.sgy"), "SYNTHETIC MARINE LINE, NMO-CORRECTED")
    _run("demultiple", "line.sgy", "clean.sgy", "--start-ms", "auto")
    began, busy = time.perf_counter(), time.process_time()
    _run("report", "line.sgy", "clean.sgy", "line.html", "--start-ms", "auto")
    took = f"{time.perf_counter() - began:.1f} s, {time.process_time() - busy:.1f} s of processor time"
    print(f"report of 200 gathers: {took}, {Path('line.html').stat().st_size / 1e6:.1f} MB")
    _save("report_line", _screenshot(folder / "line.html"), (0, 3200))


def _run(*words: str) -> None:
    if main(list(words)):
        raise SystemExit(1)


def _screenshot(page: Path) -> Image.Image:
    browser = shutil.which("chromium")
    if browser is None:
        raise SystemExit("chromium is not installed")
    picture, profile = page.with_suffix(".png"), page.with_suffix(".profile")
    where = (f"--user-data-dir={profile}", f"--window-size={WIDTH},5000", f"--screenshot={picture}", page.as_uri())
    subprocess.run([browser, *_FLAGS, *where], check=True, capture_output=True)
    return Image.open(picture)


def _save(name: str, picture: Image.Image, rows: tuple[int, int]) -> None:
    """Keep some rows, in few colours, which keeps the file small."""
    path = FIGURES / f"{name}.png"
    part = picture.convert("RGB").crop((0, rows[0], WIDTH, rows[1]))
    part = part.resize((part.width * 4 // 5, part.height * 4 // 5), Image.Resampling.LANCZOS)
    part.quantize(palette=_palette(), dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def _palette() -> Image.Image:
    greys = [(grey, grey, grey) for grey in np.linspace(0, 255, _GREYS).astype(int).tolist()]
    shares = matplotlib.colormaps["viridis"](np.linspace(0, 1, _VIRIDIS), bytes=True)[:, :3].tolist()
    lines = [tuple((2 * part + light * 255) // (2 + light) for part in line) for line in _LINES for light in (0, 1, 3)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in (*greys, *shares, *lines) for part in colour])
    return palette


if __name__ == "__main__":
    for make in (gom, line):
        with tempfile.TemporaryDirectory() as scratch:
            make(Path(scratch))
