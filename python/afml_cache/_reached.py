"""What a walk over a function's code has reached, and the record that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from afml_cache._packages import version

if TYPE_CHECKING:
    from types import CellType, CodeType, FunctionType, ModuleType

    Cells = tuple[tuple[CellType, object], ...]
    Defaults = tuple[object, ...] | None
    Watched = tuple[FunctionType, CodeType, Defaults, dict[str, object] | None, Cells]

MISSING: Final = object()
"""Stands for a name that is not bound, and for the contents of an empty cell."""


@dataclass(frozen=True, slots=True)
class Item:
    """One part of a function's identity.

    Attributes
    ----------
    label
        Words for messages, such as "helper `smooth` in features.py". Not part of the identity.
    value
        The part itself, made of plain values only: `None`, `bool`, `int`, `float`, `complex`,
        `str`, `bytes`, `tuple`, `frozenset`, `Ellipsis`, `range`, `slice`, dates and times,
        `Decimal`, `UUID`, paths.
    text
        A short `repr` for constants, else empty. Not part of the identity.
    """

    label: str
    value: object
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """The identity of a function's code, and what to look at to see that it has changed.

    Attributes
    ----------
    items
        The identity, sorted; the same in every process.
    names
        Namespace, name, and the object bound to it or `MISSING`, for every name looked up.
    functions
        Every plain function reached with its `__code__`, `__defaults__`, `__kwdefaults__`, and
        its cells with their contents or `MISSING`.
    classes
        Every user class reached, with the names and objects of its `__dict__`. It has changed when
        an object is another one, or when `__dict__` has more or fewer names. Modules that are
        part of the identity as a whole stand here too.
    bases
        Every user class reached, with its `__bases__`. It has changed when that is another tuple.
    mutables
        Label and object for every value that can change in place. Not in `items`: their contents
        count at each call.
    packages
        Top-level names of the third-party packages reached, sorted.
    versions
        Their full versions; those that have none are left out.
    inert
        What was seen and deliberately left out: modules, loggers, locks, `ignore_deps`.
    """

    items: tuple[Item, ...]
    names: tuple[tuple[dict[str, object], str, object], ...]
    functions: tuple[Watched, ...]
    classes: tuple[tuple[type | ModuleType, tuple[tuple[str, object], ...]], ...]
    bases: tuple[tuple[type, tuple[type, ...]], ...]
    mutables: tuple[tuple[str, object], ...]
    packages: tuple[str, ...]
    versions: dict[str, str]
    inert: tuple[str, ...]


class Place(NamedTuple):
    """Where a value was found: what tells it apart in this process, and in every process."""

    key: tuple[object, ...]
    identity: str
    noun: str
    where: str

    def part(self, index: int) -> Place:
        """Give the place of a value inside this one."""
        return self._replace(key=(*self.key, index), identity=f"{self.identity}[{index}]")


@dataclass(slots=True)
class Reached:
    """Collects the parts of a `Code`; everything is kept once, under its identity."""

    items: dict[str, Item] = field(default_factory=dict)
    names: dict[tuple[int, str], tuple[dict[str, object], str, object]] = field(
        default_factory=dict
    )
    functions: list[Watched] = field(default_factory=list)
    classes: list[tuple[type | ModuleType, tuple[tuple[str, object], ...]]] = field(
        default_factory=list
    )
    bases: list[tuple[type, tuple[type, ...]]] = field(default_factory=list)
    mutables: dict[str, tuple[str, object]] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    inert: set[str] = field(default_factory=set)
    identities: dict[tuple[object, ...], str] = field(default_factory=dict)
    bearers: dict[str, int] = field(default_factory=dict)

    def identify(self, key: tuple[object, ...], name: str) -> str:
        """Give what is told apart by `key` a name of its own: `name`, `name#2`, ..."""
        identity = self.identities.get(key)
        if identity is None:
            count = self.bearers[name] = self.bearers.get(name, 0) + 1
            identity = self.identities[key] = name if count == 1 else f"{name}#{count}"
        return identity

    def introduce(self, key: tuple[object, ...], name: str) -> tuple[str, bool]:
        """Do as `identify`, and tell whether `key` is new."""
        new = key not in self.identities
        return self.identify(key, name), new

    def watch_name(self, namespace: dict[str, object], name: str, value: object) -> None:
        """Remember what `name` was bound to."""
        self.names.setdefault((id(namespace), name), (namespace, name, value))

    def watch_function(self, function: FunctionType) -> None:
        """Remember a function's code, defaults and cells."""
        cells = tuple((cell, contents(cell)) for cell in function.__closure__ or ())
        self.functions.append(
            (function, function.__code__, function.__defaults__, function.__kwdefaults__, cells)
        )

    def watch_class(self, cls: type) -> None:
        """Remember a class's attributes and bases."""
        self.classes.append((cls, tuple(vars(cls).items())))
        self.bases.append((cls, cls.__bases__))

    def add_constant(self, place: Place, value: object, text: str) -> tuple[object, ...]:
        """Add a constant as an item; give the reference to it."""
        identity = self.identify(place.key, place.identity)
        label = f"{place.noun} {place.where}"
        self.items[identity] = Item(label, ("constant", identity, value), text)
        return ("item", identity)

    def add_mutable(self, place: Place, value: object) -> tuple[object, ...]:
        """Add a value that can change in place; give the reference to it."""
        identity = self.identify(place.key, place.identity)
        noun = "global" if place.noun == "constant" else place.noun
        self.mutables[identity] = (f"{noun} {place.where}", value)
        return ("mutable", identity)

    def code(self) -> Code:
        """Give everything collected, in an order that does not depend on the walk."""
        return Code(
            items=tuple(self.items[identity] for identity in sorted(self.items)),
            names=tuple(self.names.values()),
            functions=tuple(self.functions),
            classes=tuple(self.classes),
            bases=tuple(self.bases),
            mutables=tuple(self.mutables[identity] for identity in sorted(self.mutables)),
            packages=tuple(sorted(self.packages)),
            versions=_versions(self.packages),
            inert=tuple(sorted(self.inert)),
        )


def _versions(packages: set[str]) -> dict[str, str]:
    found = ((package, version(package)) for package in sorted(packages))
    return {package: stated for package, stated in found if stated is not None}


def contents(cell: CellType) -> object:
    """Give what a closure's cell holds, or `MISSING`."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING
