"""How close an estimate is to the truth: figures for one gather, and for two surveys gather by gather."""

from seisdiff.scores.amplitudes import PICK_HALF_MS, avo_errors, fit_avo
from seisdiff.scores.comparison import Comparison, check_finite, compare
from seisdiff.scores.figures import (
    leakage,
    psnr_db,
    snr_below_db,
    snr_db,
    snr_per_second_db,
    spectrum_error_db,
    ssim,
)
from seisdiff.scores.gather import GatherScores, Scores, score_gather
from seisdiff.scores.insertion import flat_primaries, insertion_loss_db, insertion_times
from seisdiff.scores.water import WATER_CLASSES, water_class

__all__ = [
    "PICK_HALF_MS",
    "WATER_CLASSES",
    "Comparison",
    "GatherScores",
    "Scores",
    "avo_errors",
    "check_finite",
    "compare",
    "fit_avo",
    "flat_primaries",
    "insertion_loss_db",
    "insertion_times",
    "leakage",
    "psnr_db",
    "score_gather",
    "snr_below_db",
    "snr_db",
    "snr_per_second_db",
    "spectrum_error_db",
    "ssim",
    "water_class",
]
