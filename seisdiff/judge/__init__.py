"""The judge: modelled gathers and shots whose truth is known, and cases made of them to measure methods on.

Its files are made by solving the wave equation (benchmarks/judge), and share nothing with the synthetic scenes that
methods are tuned and networks are trained on.
"""

from __future__ import annotations

from seisdiff.judge.cases import SPLITS, TASKS, Case, Judge, open_judge
from seisdiff.judge.files import Earth, Recorded, read_recorded

__all__ = ["SPLITS", "TASKS", "Case", "Earth", "Judge", "Recorded", "open_judge", "read_recorded"]
