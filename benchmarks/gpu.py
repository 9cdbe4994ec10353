"""U-Net and diffusion from file to file on a GPU: gathers/s, GB/s, share of the bare network, peak memory.

    python benchmarks/gpu.py                 a line of 20,000 gathers on the GPU; without one, few gathers on the CPU

Gathers of 60 traces x 1000 samples at 4 ms, demultiple, from SEG-Y to SEG-Y in this process, models loaded before. GB
are those of the input. The bare network runs alone on random inputs of the restorer's batches, which lie on the device;
the share is its time for as many gathers and passes over that of the whole run: what the device is busy with. Where no
diffusion model is shipped an untrained one of the committed recipe stands in: speed does not depend on weights. Stays
under eight minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from runpy import run_path
from typing import Any

import torch

from seisdiff.config import RestoreRecipe, make_recipe
from seisdiff.engine import restore_file
from seisdiff.networks.unet import UNet
from seisdiff.networks.views import samples_shown
from seisdiff.pretrained import shipped_models
from seisdiff.restorers.diffusion import DiffusionOptions, DiffusionRestorer
from seisdiff.restorers.unet import UnetRestorer, UnetSpec
from seisdiff.training import load_train_recipe, save_model

TRACES, SAMPLES, FAR_M = 64, 1024, 3100.0
LINE_TRACES, LINE_SAMPLES = 60, 1000
TARGET_SHARE = 0.85
_RECIPE = Path(__file__).resolve().parents[1] / "configs" / "demultiple-diffusion.yaml"
_GIGABYTES = LINE_TRACES * (240 + 4 * LINE_SAMPLES) / 1e9
make_file = run_path(str(Path(__file__).with_name("io.py")))["make_file"]


def diffusion_model(folder: Path) -> str:
    """Return the shipped diffusion model, or an untrained one of the same shape."""
    if "demultiple-diffusion" in shipped_models():
        return "demultiple-diffusion"
    recipe = load_train_recipe(_RECIPE)
    save_model(UNet(recipe.network), recipe, folder / "untrained", {})
    return str(folder / "untrained")


def bare_seconds(restorer: UnetRestorer, network: UNet, *further: torch.Tensor) -> float:
    """Return the seconds that a network needs for a gather of one pass, at the restorer's batches."""
    gathers = max(1, restorer.at_once // (TRACES * SAMPLES))
    shown = torch.randn(gathers, network.spec.in_channels, TRACES, SAMPLES).to(
        restorer.device, restorer.dtype, memory_format=torch.channels_last
    )
    level = torch.ones(gathers, device=restorer.device, dtype=restorer.dtype) if network.spec.noise_level else None
    passes, began = 0, 0.0
    with torch.inference_mode():
        for number in range(-2, 10_000):
            if number == 0:
                wait(restorer.device)
                began = time.perf_counter()
            network(shown, None, level)
            passes = number + 1
            if number >= 2 and number % 3 == 2:
                wait(restorer.device)
                if time.perf_counter() - began > 3:
                    break
    return (time.perf_counter() - began) / passes / gathers


def wait(device: torch.device) -> None:
    """Wait for the device to have done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def bare_of(recipe: RestoreRecipe) -> float:
    """Return the seconds that all passes of a recipe's networks need for a gather."""
    if isinstance(recipe.spec, DiffusionOptions):
        diffusion = DiffusionRestorer("demultiple", recipe.spec, FAR_M)
        guide = bare_seconds(diffusion.guide, diffusion.guide.network) * samples_shown(diffusion.guide.passes)
        return guide + bare_seconds(diffusion, diffusion.network) * diffusion.steps * recipe.spec.samples
    assert isinstance(recipe.spec, UnetSpec)
    unet = UnetRestorer("demultiple", recipe.spec, FAR_M)
    return bare_seconds(unet, unet.network) * samples_shown(unet.passes)


def measure(recipe: RestoreRecipe, source: Path, folder: Path, cuda: bool) -> dict[str, Any]:
    """Return the figures of one method on one file."""
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    bare = bare_of(recipe)
    target = folder / "out.sgy"
    summary = restore_file(str(source), str(target), recipe)
    target.unlink()
    rate = summary.gathers / summary.seconds
    figures = {
        "gathers": summary.gathers,
        "gathers/s": rate,
        "GB/s": rate * _GIGABYTES,
        "bare network, gathers/s": 1 / bare,
    }
    figures["share of the bare network"] = bare * rate
    return figures | ({"peak GiB on the device": torch.cuda.max_memory_allocated() / 2**30} if cuda else {})


def main() -> None:
    """Print the figures as lines of JSON, each method's as soon as they are taken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gathers", type=int, help="gathers for unet, by default 20,000 on a GPU and 40 on a CPU")
    parser.add_argument("--samples", type=int, default=8, help="draws of diffusion")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    gathers = options.gathers or (20_000 if cuda else 40)
    show({
        "device": torch.cuda.get_device_name() if cuda else "none: figures of the CPU, at small size",
        "load": os.getloadavg()[0], "share wanted": TARGET_SHARE,
    })  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        diffusion = {"model": diffusion_model(folder), "samples": options.samples}
        fewer = min(gathers, max(40, gathers // 10))
        for method, spec, count in (("unet", {}, gathers), ("diffusion", diffusion, fewer)):
            source = make_file(folder / f"{count}.sgy", count * _GIGABYTES, "ieee32")
            recipe = make_recipe({"task": "demultiple", "method": method, method: spec})
            show({method: measure(recipe, source, folder, cuda)})


def show(figures: dict[str, Any]) -> None:
    """Print figures as a line."""
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
