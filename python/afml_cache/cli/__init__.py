"""The command line `afml-cache`, also `python -m afml_cache`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from afml_cache._native import __version__
from afml_cache.cli import sweeps
from afml_cache.exceptions import CacheError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit status: 0, or 1 where the cache can't be asked; 2 is that of wrong arguments.
    """
    parser = argparse.ArgumentParser("afml-cache", description="Look at what the cache holds.")
    parser.add_argument("--version", action="version", version=f"afml-cache {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    sweeps.add_to(commands)
    given = parser.parse_args(arguments)
    try:
        given.command(given)
    except CacheError as error:
        print(f"afml-cache: {error}", file=sys.stderr)  # noqa: T201 - it is a command
        return 1
    return 0
