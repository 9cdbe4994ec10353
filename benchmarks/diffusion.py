"""Cost of diffusion: operations by count, and time per gather, against the U-Net and against the published setup.

    python benchmarks/diffusion.py                                shipped models
    python benchmarks/diffusion.py --model trained/model          another one

The published setup (Durall et al., arXiv 2207.10451) is 2000 passes of a U-Net of 155 million parameters for a gather
of 64 x 128; its operations are counted on a network of the same widths (64 to 1024 channels, one residual block a
level).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from radon import best_ms
from torch.utils.flop_counter import FlopCounterMode

from seisdiff.networks.unet import UNet, UNetSpec
from seisdiff.networks.views import samples_shown, views_of
from seisdiff.pretrained import count_parameters, find_model, model_card, shipped_models
from seisdiff.restorers.base import Batch
from seisdiff.restorers.diffusion import DiffusionOptions, DiffusionRestorer

TRACES, SAMPLES, FAR_M = 60, 1000, 3100.0
PUBLISHED_SHAPE, PUBLISHED_PASSES, PUBLISHED_WIDTHS = (64, 128), 2000, (64, 128, 256, 512, 1024)
PASSES, DRAWS = (1, 2, 4, 8), 8  # levels of noise of a draw


def published_operations() -> tuple[float, float]:
    """Return the parameters (millions) and the operations of one gather of the published setup."""
    from diffusers import UNet2DModel

    depth = len(PUBLISHED_WIDTHS)
    with torch.device("meta"):
        network = UNet2DModel(
            sample_size=PUBLISHED_SHAPE, in_channels=2, out_channels=1, block_out_channels=PUBLISHED_WIDTHS,
            layers_per_block=1, down_block_types=("DownBlock2D",) * depth, up_block_types=("UpBlock2D",) * depth,
        )  # fmt: skip
        with FlopCounterMode(display=False) as counted:
            network(torch.zeros(1, 2, *PUBLISHED_SHAPE), torch.ones(1))
    return sum(part.numel() for part in network.parameters()) / 1e6, PUBLISHED_PASSES * counted.get_total_flops()


def operations(spec: UNetSpec) -> float:
    """Return the operations of one pass of a network of ours on a gather of the published shape."""
    with torch.device("meta"):
        network = UNet(spec)
        level = torch.ones(1) if spec.noise_level else None
        with FlopCounterMode(display=False) as counted:
            network(torch.zeros(1, spec.in_channels, *PUBLISHED_SHAPE), None, level)
    return float(counted.get_total_flops())


def time_ms(model: Path, task: str, steps: int, samples: int, gathers: int = 8) -> float:
    """Return the time of one gather of 60 x 1000 by the restorer."""
    options = DiffusionOptions(model=str(model), steps=steps if samples % 2 else None, samples=samples)
    restorer = DiffusionRestorer(task, options, FAR_M)  # type: ignore[arg-type]
    live = torch.ones(gathers, TRACES, dtype=torch.bool)
    live[:, ::7] = task != "interpolate"
    data = torch.randn(gathers, TRACES, SAMPLES, generator=torch.Generator().manual_seed(0)) * live[..., None]
    offset = torch.linspace(150, FAR_M, TRACES, dtype=torch.float64).expand(gathers, -1)
    times = 4.0 * torch.arange(SAMPLES, dtype=torch.float64)
    batch = Batch(data, offset, live, times, number=torch.arange(gathers))
    return best_ms(lambda: restorer.restore(batch), gathers, 3)


def network_passes(steps: int, samples: int) -> int:
    """Return how often the network is applied: a single draw follows noise and minus it, of pairs only the mean counts.

    Deviations are followed wherever there is an odd number of draws.
    """
    return -(-samples // 2) * (1 + 2 * (steps - 1) * (samples % 2))


def measure(model: Path, published: float) -> dict[str, dict[str, float]]:
    """Return, for draws of some passes and for the mean of eight, the time and the published operations over ours."""
    card = model_card(model)
    recipe = card["recipe"]
    own = operations(UNetSpec.model_validate(recipe["network"]))
    guided = model_card(find_model(recipe["guide"]))["recipe"]
    guide = samples_shown(views_of(guided)) * operations(UNetSpec.model_validate(guided["network"]))
    default = recipe["diffusion"]["steps"]
    plans = {f"one draw, {network_passes(steps, 1)} passes": (steps, 1) for steps in PASSES}
    plans[f"mean of {DRAWS} draws"] = (default, DRAWS)
    return {
        name: {
            "ms a gather": time_ms(model, card["task"], steps, samples),
            "fewer operations": published / (guide + network_passes(steps, samples) * own),
        }
        for name, (steps, samples) in plans.items()
    }


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, action="append")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    millions, published = published_operations()
    models = options.model or [find_model(name) for name in shipped_models() if name.endswith("-diffusion")]
    found = {str(model): measure(model, published) for model in models}
    if options.json:
        print(json.dumps({"published": {"parameters, M": millions, "operations": published}, "models": found}))
        return
    print(f"published: {millions:.0f} M parameters, {published / 1e12:.1f} TFLOP for a gather of 64 x 128")
    for model, rows in found.items():
        print(f"{model}: {count_parameters(Path(model)) / 1e6:.1f} M parameters; 60 x 1000, {options.threads} threads")
        for name, row in rows.items():
            print(f"  {name:32s} {row['ms a gather']:8.1f} ms {row['fewer operations']:10,.0f} times fewer operations")


if __name__ == "__main__":
    main()
