"""Which run is asked for, where a strategy is named and its code may be told or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache.bar_ends import Bars
from afml_cache.exceptions import CacheConfigError
from afml_cache.runs.identity import (
    Call,
    Code,
    Identity,
    Strategy,
    code_of_text,
    identify,
    trial_of,
)
from afml_cache.runs.provenance import working_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

# The function that each strategy's name stands for in this process, the last that was decorated.
_registered: dict[str, Strategy] = {}


def register(strategy: Strategy) -> None:
    """Have the name of a strategy stand for this function."""
    _registered[strategy.name] = strategy


def with_code(name: str, code: Any, parameters: Any, data: Any) -> tuple[Identity, Code, Bars]:
    """Tell the run of parameters and data, its code, and how that says that bars are labelled.

    Parameters
    ----------
    code : callable, str or None
        The backtest function, words that tell its code from other code, or nothing.

    Raises
    ------
    CacheConfigError
        The function takes other arguments, or `code` is nothing of the kind.
    UncacheableArgumentError
        Parameters or data can't be keyed.
    """
    check_name(name)
    if code is None or isinstance(code, str):
        identity = identify(name, trial_of(name, code, parameters), parameters, data)
        return identity, Code(code_of_text(code), folder=working_folder()), Bars()
    strategy = _strategy_of(name, code)
    call = _call(strategy, parameters, data)
    return *strategy.described(call), strategy.bars


def candidates(name: str, code: Any, parameters: Any, data: Any) -> Iterator[Identity]:
    """Give the runs that are meant: with this code, or with none and with the registered one."""
    check_name(name)
    if code is None or isinstance(code, str):
        yield identify(name, trial_of(name, code, parameters), parameters, data)
    if isinstance(code, str):
        return
    strategy = _registered.get(name) if code is None else _strategy_of(name, code)
    if strategy is not None:
        try:
            call = _call(strategy, parameters, data)
        except CacheConfigError:
            if code is None:
                return
            raise
        yield strategy.identity(call)


def check_name(
    name: Any,
    argument: str = "strategy_name",
    kind: str = "the strategy's name, a text such as 'momentum'",
) -> None:
    """See that an argument can be a name.

    Raises
    ------
    CacheConfigError
        It is no text, or empty.
    """
    if not isinstance(name, str) or not name:
        message = f"`{argument}` is {kind}, not {name!r}"
        raise CacheConfigError(message)


def _strategy_of(name: str, code: Any) -> Strategy:
    """Give the strategy of a function; its options too, where it was decorated."""
    own = getattr(code, "strategy", None)
    if isinstance(own, Strategy):
        return own.named(name)
    registered = _registered.get(name)
    if registered is not None and registered.function is code:
        return registered
    if not callable(code):
        message = (
            f"`code` is the backtest's function, a text that tells its code from other code, or "
            f"None; not {code!r}"
        )
        raise CacheConfigError(message)
    return Strategy(name, code)


def _call(strategy: Strategy, parameters: Any, data: Any) -> Call:
    """Put parameters and data into the places of a function's arguments."""
    try:
        return strategy.bind((), strategy.arguments(parameters, data))
    except TypeError as error:
        message = (
            f"parameters and data alone do not fill the arguments of the backtest of "
            f"{strategy.name!r}, {', '.join(strategy.signature.parameters)}: {error}"
        )
        raise CacheConfigError(message) from error
