"""How many scenes a second the generator makes, on the CPU and, where there is one, on a GPU.

python benchmarks/synthetic.py [--scenes N] [--recipe FILE]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from seisdiff.synthetic.recipe import SceneRecipe, load_scene_recipe
from seisdiff.synthetic.scene import make_scenes

TRACES, SAMPLES = 64, 512
PASSES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=64, help="scenes in each pass")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parents[1] / "synthetic" / "marine_shallow.yaml")
    given = parser.parse_args()
    recipe = load_scene_recipe(given.recipe)
    print(f"{recipe.name}: {TRACES} x {SAMPLES} scenes with all their parts, best of {PASSES} passes")
    for threads in sorted({1, torch.get_num_threads()}):
        torch.set_num_threads(threads)
        for batch in (1, 8, 32):
            print(f"CPU, {threads} threads, batch {batch:4d}: {rate(recipe, given.scenes, batch, 'cpu'):8.1f} a second")
    if torch.cuda.is_available():
        for batch in (32, 128, 512):
            speed = rate(recipe, max(given.scenes, 4 * batch), batch, "cuda")
            print(f"{torch.cuda.get_device_name()}, batch {batch:4d}: {speed:8.1f} a second")


def rate(recipe: SceneRecipe, scenes: int, batch: int, device: str) -> float:
    """Return scenes a second."""
    make_scenes(recipe, 0, range(batch), traces=TRACES, samples=SAMPLES, device=device)
    best = 0.0
    for number in range(PASSES):
        begin = time.perf_counter()
        for first in range(0, scenes, batch):
            made = make_scenes(
                recipe, number, range(first, first + batch), traces=TRACES, samples=SAMPLES, device=device
            )
        float(made.full.sum())  # waits for the device
        best = max(best, -(-scenes // batch) * batch / (time.perf_counter() - begin))
    return best


if __name__ == "__main__":
    main()
