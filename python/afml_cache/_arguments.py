"""What a parser does that meets an argument of `add_cache_arguments`; few scripts need it."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from afml_cache import config

if TYPE_CHECKING:
    from collections.abc import Sequence


class Fresh(argparse.Action):
    """Computes everything anew, here and in the processes that are started from here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(nargs=0, **{"const": True, "default": False, **options})

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        setattr(namespace, self.dest, self.const)
        config.configure(mode="fresh")
        # Processes that this one starts do the same.
        os.environ["AFML_CACHE_MODE"] = "fresh"


class CacheDir(argparse.Action):
    """Names the folder, here and in the processes that are started from here."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        folder = str(values)
        setattr(namespace, self.dest, folder)
        config.configure(cache_dir=folder)
        os.environ["AFML_CACHE"] = os.path.abspath(os.path.expanduser(folder))  # noqa: PTH100, PTH111
