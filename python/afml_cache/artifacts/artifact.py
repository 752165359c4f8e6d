"""Functions whose results are named files."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Final

from afml_cache import code, groups
from afml_cache._native import default_store
from afml_cache._pickled import is_by_name
from afml_cache.artifacts import standing
from afml_cache.artifacts.calls import Call
from afml_cache.artifacts.explaining import explained
from afml_cache.artifacts.formats import format_of
from afml_cache.artifacts.identity import Calls
from afml_cache.artifacts.template import Template
from afml_cache.decorators import name_of
from afml_cache.exceptions import warn

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from afml_cache._native import Store
    from afml_cache.artifacts.reading import Saved
    from afml_cache.artifacts.sidecar import Metadata
    from afml_cache.explanation import Explanation

__all__ = ["Artifact"]

_log = logging.getLogger("afml_cache")
# What a bound method passes its instance to.
_OF_CALLS: Final = frozenset(
    {
        *("cache_key", "explain", "is_current", "load", "metadata"),
        *("path", "refresh", "remove", "saved", "saved_anew"),
    }
)


class Artifact:
    """A function whose result is a named file; `artifact` makes it.

    It is called as the function is. Its other methods take the arguments of a call, too.

    Attributes
    ----------
    freed : int
        The bytes of scratch that calls in this process have freed.
    """

    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., Any]

    def __init__(
        self,
        function: Callable[..., Any],
        template: str,
        settings: dict[str, Any],
        *,
        scratch: tuple[str, ...] = (),
        identified_by: tuple[str, ...] | None = None,
        trust: str = "content",
        group: str | None = None,
        folder: str | os.PathLike[str] | None = None,
        store: Store | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.calls = Calls(function, settings, identified_by)
        self.template = Template(template, self.calls.signature.parameters, folder)
        self.format = format_of(template)
        self.scratch = scratch
        self.trust = trust
        self.group = group
        self._store = store
        self._settings = settings
        self._options = {
            "scratch": scratch,
            "identified_by": identified_by,
            "trust": trust,
            "group": group,
            "folder": folder,
            "store": store,
        }
        self._told: set[str] = set()
        self.freed = 0

    @property
    def name(self) -> str:
        """`module.qualname`."""
        return name_of(self.function)

    @property
    def store(self) -> Store:
        """Whose secret seals what stands beside the files, and whose locks are used."""
        return self._store or default_store()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Give what the file reads back as; it is made if it must be."""
        return Call(self, args, kwargs).answer(reads=True).value

    def saved(self, *args: Any, **kwargs: Any) -> Saved:
        """Have the file made if it must be, and say where it is; it is not read.

        Raises
        ------
        CacheMissError, ArtifactError
            As a call does.
        """
        return Call(self, args, kwargs).answer(reads=False).saved

    def refresh(self, *args: Any, **kwargs: Any) -> Any:
        """Make the file anew, whatever is there, and give what it reads back as.

        Raises
        ------
        CacheMissError
            The mode is "frozen".
        """
        return Call(self, args, kwargs).answer(reads=True, anew=True).value

    def saved_anew(self, *args: Any, **kwargs: Any) -> Saved:
        """Make the file anew, whatever is there, and say where it is; it is not read.

        Raises
        ------
        CacheMissError
            The mode is "frozen".
        """
        return Call(self, args, kwargs).answer(reads=False, anew=True).saved

    def load(self, *args: Any, **kwargs: Any) -> Any:
        """Read the file of a call, and never make it.

        Raises
        ------
        CacheMissError
            There is none that fits; the message says why.
        """
        call = Call(self, args, kwargs)
        found = call.found(reads=True)
        if found is None:
            raise call.missing()
        return found.value

    def path(self, *args: Any, **kwargs: Any) -> Path:
        """Give where the file of a call lies, whether it is there or not; absolute.

        Raises
        ------
        ArtifactError
            An argument can't be written into the path, or leads out of its folder.
        """
        return Call(self, args, kwargs).path

    def metadata(self, *args: Any, **kwargs: Any) -> Metadata | None:
        """Give what the file of a call was made from, whose content is not read.

        Returns
        -------
        Metadata or None
            `None` where nothing is there that fits the call.
        """
        return Call(self, args, kwargs).metadata()

    def is_current(self, *args: Any, **kwargs: Any) -> bool:
        """Whether a call would use its file: it is there, whole, and what the call would make.

        Never where artifacts are made anew, as by `--no-skip-existing`.
        """
        call = Call(self, args, kwargs)
        return groups.looks_up("artifact", self.group) and call.found(reads=False) is not None

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """Say why a call uses the file that is there, or makes it anew.

        Raises
        ------
        UncacheableArgumentError
            An argument can't be keyed.
        """
        return explained(Call(self, args, kwargs))

    def remove(self, *args: Any, **kwargs: Any) -> bool:
        """Remove the file of a call, whatever it was made from, and what stands beside it.

        Returns
        -------
        bool
            Whether it was there and is gone. A file that was not written as an artifact, or was
            edited since, is left, and told.
        """
        return standing.remove(Call(self, args, kwargs).path, self.store)

    def cache_key(self, *args: Any, **kwargs: Any) -> str:
        """Give the key of a call: 32 hexadecimal digits.

        Raises
        ------
        UncacheableArgumentError
            An argument can't be keyed.
        """
        return self.calls.key(self.calls.bind(args, kwargs))

    def settings(self) -> dict[str, Any]:
        """Give what it is told to count as code."""
        return self._settings

    def note_freed(self, size: int) -> None:
        """Count and log the scratch that a call has freed."""
        self.freed += size
        _log.info("artifact `%s`: %s bytes of scratch freed", self.name, f"{size:,}")

    def tell(self, category: str, message: str) -> None:
        """Warn of something that happened."""
        warn(category, message)

    def tell_once(self, category: str, message: str) -> None:
        """Warn of something that happens at each call."""
        if message not in self._told:
            self._told.add(message)
            warn(category, message)

    def __get__(self, instance: Any, _owner: Any = None) -> Any:
        return self if instance is None else BoundArtifact(self, instance)

    def __repr__(self) -> str:
        return f"<artifact {self.template.text!r} of {self.function!r}>"

    def __cache_key__(self) -> Any:
        said = self._settings["version"], tuple(self._settings["options"]["deps"])
        return self.template.text, self.function, *said

    def __reduce__(self) -> Any:
        if is_by_name(self):
            return self.__qualname__
        sources = code.sources_of(self.function)
        given = self.function, self.template.text, self._settings
        return _rebuilt, (given, self._options, sources)


def _rebuilt(
    given: tuple[Any, str, dict[str, Any]], options: dict[str, Any], sources: dict[bytes, Any]
) -> Artifact:
    """Put an artifact together again, in another process."""
    code.learn_sources(sources)
    return Artifact(*given, **options)


class BoundArtifact:
    """An artifact that is a method, with its instance; it has all that the artifact has."""

    def __init__(self, artifact: Artifact, instance: Any) -> None:
        self.__func__ = artifact
        self.__self__ = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Give what the file reads back as; it is made if it must be."""
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__func__, name)
        return functools.partial(found, self.__self__) if name in _OF_CALLS else found

    def __repr__(self) -> str:
        return f"<{self.__func__!r} bound to {self.__self__!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundArtifact):
            return NotImplemented
        return self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __cache_key__(self) -> Any:
        return self.__func__, self.__self__

    def __reduce__(self) -> Any:
        return getattr, (self.__self__, self.__func__.__name__)
