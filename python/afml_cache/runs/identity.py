"""What a run is: strategy, code, parameters, the content of its data, and all other arguments."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from afml_cache._native import Function, digest
from afml_cache.decorators import code_settings, native_settings
from afml_cache.exceptions import CacheConfigError
from afml_cache.files import file_key, names_a_file
from afml_cache.runs import rankings
from afml_cache.runs.canonical import canonical, data_digest, named, typed
from afml_cache.runs.datasets import is_data
from afml_cache.runs.provenance import folder_of

if TYPE_CHECKING:
    from afml_cache.bar_ends import Bars

Part = tuple[str, str, str]

_DATA: Final = "data"
_PARAMETERS: Final = ("params", "parameters")
_PLAIN: Final = (bool, int, float, str, type(None), Decimal, Enum, dt.date, dt.timedelta)
_ARGUMENT: Final = "argument `"
_INSTALLED: Final = "installed "
_NO_DEFAULT: Final = inspect.Parameter.empty
# What stands in the place of data.
_NOTHING: Final[dict[Any, Any]] = {
    inspect.Parameter.VAR_POSITIONAL: (),
    inspect.Parameter.VAR_KEYWORD: {},
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a run from all others.

    Attributes
    ----------
    run : str
        The id of the run.
    trial : str
        The same, whatever the data.
    parameters, data : str
        Digests of these.
    """

    run: str
    trial: str
    parameters: str
    data: str


def identify(strategy: str, trial: str, parameters: Any, data: Any) -> Identity:
    """Tell the run of a trial on some data."""
    content = data_digest(data)
    run = digest(("afml-cache run", strategy, trial, content))
    return Identity(run, trial, digest(canonical(parameters)), content)


def trial_of(strategy: str, code: str | None, parameters: Any) -> str:
    """Tell the trial of parameters, and of code that is told in words or not at all."""
    with named("value[3]", "parameters"):
        return digest(("afml-cache trial", strategy, code, canonical(parameters)))


def code_of_text(code: str | None) -> str | None:
    """Digest code that is told in words."""
    return None if code is None else digest(("code in words", code))


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a run: its digest, its parts, those of other arguments, packages and a folder."""

    digest: str | None = None
    parts: list[Part] = field(default_factory=list)
    others: list[Part] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)
    folder: str | None = None


@dataclass(frozen=True)
class Call:
    """One call of a backtest.

    Attributes
    ----------
    bound : inspect.BoundArguments
        The arguments, defaults filled in; a ranking in the place of parameters is its best ones.
    data_names : tuple of str
        Of which arguments the data is.
    parameters_name : str or None
        Of which argument the parameters are.
    """

    bound: inspect.BoundArguments
    data_names: tuple[str, ...]
    parameters_name: str | None

    @property
    def data(self) -> Any:
        """The data: one argument, or a tuple of several."""
        return self.content(())

    def content(self, files: Collection[str]) -> Any:
        """Give the data, with a `File` for each path in those arguments that name files."""
        given = [self.bound.arguments.get(name) for name in self.data_names]
        named = zip(self.data_names, given, strict=True)
        given = [file_key(value) if name in files else value for name, value in named]
        return given[0] if len(given) == 1 else tuple(given) or None

    @cached_property
    def parameters(self) -> dict[Any, Any]:
        """The parameters; where no argument is a mapping of them, all plain arguments are."""
        arguments = self.bound.arguments
        if self.parameters_name is not None:
            return typed(_as_mapping(arguments[self.parameters_name]))
        plain: dict[str, Any] = {}
        for name, value in arguments.items():
            if name not in self.data_names:
                plain.update(value if is_rest(self.bound.signature, name) else {name: value})
        return {name: value for name, value in typed(plain).items() if _is_plain(value)}


class Strategy:
    """A backtest function under the name of its strategy.

    Parameters
    ----------
    name : str
        The strategy's name.
    function : callable
        What computes a backtest.
    data, params : str or iterable of str, optional
        Names of the parameters that are the data, and of the one that has the parameters.
    settings : dict, optional
        Options of code, as `code_settings` gives them.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        data: str | tuple[str, ...] | None = None,
        params: str | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.function = function
        self.signature = inspect.signature(function, follow_wrapped=False)
        self._data = self._named("data", (data,) if isinstance(data, str) else data)
        self._params = next(iter(self._named("params", params and (params,)) or ()), None)
        self._settings = settings or code_settings("cached_backtest", {})
        self.bars: Bars = self._settings["bars"]
        self._keys: dict[tuple[str, ...], Function] = {}

    def _named(self, option: str, names: Any) -> tuple[str, ...] | None:
        for name in names or ():
            if name not in self.signature.parameters:
                message = (
                    f"`{option}` names `{name}`, and the backtest of {self.name!r} has no such "
                    "parameter"
                )
                raise CacheConfigError(message)
        return tuple(names) if names else None

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Tell what the arguments of a call are.

        Raises
        ------
        TypeError
            They do not fit the signature.
        """
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = bound.arguments
        data = self._data or self._data_of(arguments)
        params = self._params or self._params_of(arguments, data)
        if params is not None:
            arguments[params] = rankings.best_parameters(arguments[params])
        return Call(bound, data, params)

    def _data_of(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        if _DATA in self.signature.parameters:
            return (_DATA,)
        frames = (name for name, value in arguments.items() if is_data(value))
        return tuple(frames)[:1]

    def _params_of(self, arguments: Mapping[str, Any], data: tuple[str, ...]) -> str | None:
        others = {name: value for name, value in arguments.items() if name not in data}
        for name, value in others.items():
            if name in _PARAMETERS and value is not None:
                return name
        for name, value in others.items():
            is_mapping = isinstance(value, Mapping) and not is_rest(self.signature, name)
            if is_mapping or rankings.is_ranking(value):
                return name
        return None

    def named(self, name: str) -> Strategy:
        """Give the same function under another strategy's name."""
        return self if name == self.name else Strategy(**{**self.made_of(), "name": name})

    def made_of(self) -> dict[str, Any]:
        """Give the arguments that another one is made with."""
        return {
            "name": self.name,
            "function": self.function,
            "data": self._data,
            "params": self._params,
            "settings": self._settings,
        }

    def arguments(self, parameters: Any, data: Any) -> dict[str, Any]:
        """Put parameters and data into the places of the function's arguments."""
        names = list(self.signature.parameters)
        of_data = self._data or ((_DATA,) if _DATA in names else ())
        named = self._params or next((name for name in _PARAMETERS if name in names), None)
        rest = [name for name in names if name not in of_data and name != named]
        if not of_data:
            of_data, rest = tuple(rest[:1]), rest[1:]
        given = dict(zip(of_data, [data] if len(of_data) == 1 else data, strict=False))
        if named is not None and not is_rest(self.signature, named):
            return {**given, named: parameters}
        if isinstance(parameters, Mapping) and self._are_arguments(parameters, rest):
            return {**given, **parameters}
        return {**given, **dict.fromkeys(rest[:1], parameters)}

    def _are_arguments(self, parameters: Mapping[Any, Any], names: list[str]) -> bool:
        """Whether parameters are arguments of their own, and not all of them one."""
        own = [name for name in names if not is_rest(self.signature, name)]
        if all(name in own for name in parameters):
            return True
        takes_others = any(is_rest(self.signature, name) for name in self.signature.parameters)
        needed = {name for name in own if self.signature.parameters[name].default is _NO_DEFAULT}
        are_names = all(isinstance(name, str) for name in parameters)
        return takes_others and are_names and needed <= parameters.keys()

    def identity(self, call: Call) -> Identity:
        """Tell which run a call is.

        Raises
        ------
        UncacheableArgumentError
            Something in it can't be keyed.
        """
        bound = self._canonical(call)
        trial = self._key(call.data_names).cache_key(*bound.args, **bound.kwargs)
        return self._identified(trial, call)

    def _identified(self, trial: str, call: Call) -> Identity:
        return identify(self.name, trial, call.parameters, call.content(self._named_in("files")))

    def undeclared(self, arguments: Mapping[str, Any]) -> list[str]:
        """Name the arguments that name a file of which nothing says whether it counts."""
        declared = {*self._named_in("files"), *self._named_in("ignore")}
        others = ((name, value) for name, value in arguments.items() if name not in declared)
        return [name for name, value in others if names_a_file(value)]

    def _named_in(self, option: str) -> tuple[str, ...]:
        return tuple(self._settings.get("options", {}).get(option, ()))

    def described(self, call: Call) -> tuple[Identity, Code]:
        """Tell which run a call is, and the code of it.

        Raises
        ------
        UncacheableArgumentError
            Something in it can't be keyed.
        """
        bound = self._canonical(call)
        trial, parts = self._key(call.data_names).key_parts(*bound.args, **bound.kwargs)
        identity = self._identified(trial, call)
        code = [part for part in parts if not part[0].startswith((_ARGUMENT, _INSTALLED))]
        named = f"{_ARGUMENT}{call.parameters_name}`"
        others = [part for part in parts if part[0].startswith(_ARGUMENT) and part[0] != named]
        packages = {
            label.removeprefix(_INSTALLED): text
            for label, _, text in parts
            if label.startswith(_INSTALLED)
        }
        content = digest([part[:2] for part in code])
        return identity, Code(content, code, others, packages, folder_of(self.function))

    def _canonical(self, call: Call) -> inspect.BoundArguments:
        bound, name = call.bound, call.parameters_name
        if name is None:
            arguments = {key: canonical(value) for key, value in bound.arguments.items()}
        else:
            arguments = {**bound.arguments, name: canonical(bound.arguments[name])}
        parameters = self.signature.parameters
        arguments.update({key: _NOTHING.get(parameters[key].kind) for key in call.data_names})
        return inspect.BoundArguments(self.signature, arguments)

    def _key(self, data: tuple[str, ...]) -> Function:
        """Give what keys all but the data; the strategy's name is the function's there."""
        key = self._keys.get(data)
        if key is None:
            options = self._settings["options"]
            options = {**options, "ignore": (*options["ignore"], *data)}
            settings = native_settings(**{**self._settings, "options": options}, raises=True)
            key = self._keys[data] = Function(self.function, f"backtest {self.name}", **settings)
        return key


def is_rest(signature: inspect.Signature, name: str) -> bool:
    """Whether a parameter takes the keywords that no other one does."""
    return signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD


def _as_mapping(parameters: Any) -> Mapping[Any, Any]:
    if is_dataclass(parameters) and not isinstance(parameters, type):
        return {each.name: getattr(parameters, each.name) for each in fields(parameters)}
    return parameters if isinstance(parameters, Mapping) else {}


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)
