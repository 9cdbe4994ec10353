"""The few kinds of error that a caller may want to catch; the command line turns each into exit code 2."""

from __future__ import annotations


class SeisdiffError(Exception):
    """Bad input or usage: the message is one line that says what was expected, what came and what to do."""


class FileFormatError(SeisdiffError):
    """A file that is not the SEG-Y, SU or Zarr survey that it claims to be, or is damaged."""


class SurveyError(SeisdiffError):
    """A dataset that does not keep to the survey layout, or lacks what a task needs."""


class OptionError(SeisdiffError):
    """An option, header field or recipe value that is unknown, out of bounds or contradicts another."""


class OutputError(SeisdiffError):
    """An output that exists already, is unfinished, or belongs to another run."""


class MissingExtraError(SeisdiffError):
    """An optional dependency that is not installed; the message names the extra to install."""
