"""What a parser does that meets an argument of `add_cache_arguments`; few scripts need it."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from afml_cache import config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Switch(argparse.Action):
    """Turns settings on, here and in the processes that are started from here."""

    def __init__(self, settings: Mapping[str, Any], **options: Any) -> None:
        super().__init__(nargs=0, **{"const": True, "default": False, **options})
        self.settings = settings

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        setattr(namespace, self.dest, self.const)
        config.configure(self.settings)
        for name, value in self.settings.items():
            os.environ[f"AFML_CACHE_{name.upper()}"] = str(value).lower()


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
