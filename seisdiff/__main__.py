"""`python -m seisdiff` is the command line."""

from seisdiff.cli.app import run

run()
