"""Pictures as matplotlib figures: gathers at one clip, what is between two of them, spectra, f-k, semblance, stacks."""

from seisdiff.plots.analysis import plot_fk, plot_semblance, plot_spectra, plot_stack, stack_survey
from seisdiff.plots.files import SUFFIXES, check_picture_path, save_figure
from seisdiff.plots.gathers import STYLES, plot_comparison, plot_gathers
from seisdiff.plots.panels import Panel, choose_gathers, clip_level, read_panel

__all__ = [
    "STYLES",
    "SUFFIXES",
    "Panel",
    "check_picture_path",
    "choose_gathers",
    "clip_level",
    "plot_comparison",
    "plot_fk",
    "plot_gathers",
    "plot_semblance",
    "plot_spectra",
    "plot_stack",
    "read_panel",
    "save_figure",
    "stack_survey",
]
