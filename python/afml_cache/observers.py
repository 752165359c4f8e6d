"""Who may watch the calls of a cached function."""

from __future__ import annotations

from typing import Any, Protocol


class Observer(Protocol):
    """Told of each call: that its body begins to run, and how it ended.

    `computed`, `hit` and `failed` come when nobody waits for the computation any more. What they
    raise goes to the caller, so they raise nothing but interrupts.
    """

    def begins(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None, /) -> Any:
        """Hear that the body runs next; what this gives comes back when the call is over."""

    def computed(self, key: str | None, begun: Any, value: Any, /) -> None:
        """Hear what a body gave; without a key the call went past the cache."""

    def hit(
        self, key: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None, /
    ) -> None:
        """Hear that a call had its result from the cache."""

    def failed(self, begun: Any, error: BaseException, /) -> None:
        """Hear what a body raised."""

    async def computed_in_task(self, key: str | None, begun: Any, value: Any, /) -> None:
        """Hear as `computed` does, without holding up the event loop."""
