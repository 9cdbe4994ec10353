"""Measure a trained model on the judge's test split, and put it with its figures into the package.

    python benchmarks/ship.py trained/model [--field ../shared/field]

The model goes to seisdiff/pretrained/TASK-unet or TASK-diffusion; its card tells the mean output SNR (dB) of every
case, for demultiple by water depth.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from seisdiff.benchmark import CaseResult, run_benchmark
from seisdiff.judge import open_judge
from seisdiff.pretrained import CARD, SHIPPED, WEIGHTS, model_card
from seisdiff.scores.water import WATER_CLASSES

ROOT = Path(__file__).resolve().parents[1]


def figures_of(result: CaseResult) -> Any:
    """Return the mean output SNR of a case in dB, by water depth where there are classes of it."""
    if result.task != "demultiple":
        return round(result.mean("snr_db") or 0.0, 2)
    means = {water: result.mean("snr_db", water) for water in WATER_CLASSES}
    return {water: round(mean, 2) for water, mean in means.items() if mean is not None}


def main() -> None:
    """Measure and copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--field", type=Path, help="folder of recorded data, for the cases made of them")
    options = parser.parse_args()
    card = model_card(options.model)
    kind = "diffusion" if card["recipe"].get("diffusion") else "unet"
    judge, method = open_judge(ROOT / "benchmarks" / "judge"), f"{kind}:model={options.model}"
    report = run_benchmark(judge, tasks=[card["task"]], methods=[method], split="test", field=options.field)
    measured = {f"{each.source}, {each.case}": figures_of(each) for each in report.results}
    card["figures"] |= {"judge's test split, mean output SNR in dB": measured}
    target = SHIPPED / f"{card['task']}-{kind}"
    card["recipe"]["name"] = target.name
    target.mkdir(exist_ok=True)
    shutil.copyfile(options.model / WEIGHTS, target / WEIGHTS)
    (target / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
