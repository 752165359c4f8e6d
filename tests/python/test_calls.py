"""What a call of a cached function does: bind, hit, miss, and leave the function as it was."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bodies import RAN, Bodies, counted

from afml_cache import Store, cacheable, robust_cacheable, time_aware_cacheable


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


def adder(store: Store, **options: object) -> Callable:
    @robust_cacheable(store=store, **options)
    def add(a: int, b: int = 2) -> int:
        RAN.warning("add")
        return a + b

    return add


def test_the_second_call_hits(store: Store, bodies: Bodies) -> None:
    add = adder(store)
    assert add(1, 2) == 3
    first = add.cache_info()
    assert (first.hits, first.misses) == (0, 1)
    assert [add(1, 2), add(1, 2)] == [3, 3]
    info = add.cache_info()
    assert (info.hits, info.memory_hits + info.disk_hits, info.misses) == (2, 2, 1)
    assert (info.waits, info.bypasses, info.errors) == (0, 0, 0)
    assert info.stored_bytes > 0
    assert info.seconds_computed > 0
    assert len(bodies) == 1


@pytest.mark.parametrize("decorator", [cacheable, robust_cacheable, time_aware_cacheable])
def test_a_decorator_works_bare_and_with_parentheses(bodies: Bodies, decorator: Callable) -> None:
    @decorator
    def bare(a: int) -> int:
        RAN.warning("bare")
        return a

    @decorator()
    def called(a: int) -> int:
        RAN.warning("called")
        return a

    assert [bare(1), bare(1), called(1), called(1)] == [1] * 4
    assert bodies.ran == ["bare", "called"]


def test_every_spelling_of_a_call_is_one_call(store: Store, bodies: Bodies) -> None:
    add = adder(store)
    assert {
        add(1),
        add(1, 2),
        add(1, b=2),
        add(a=1, b=2),
        add(b=2, a=1),
        add(*(1,), b=2),
    } == {3}
    assert len(bodies) == 1
    keys = {add.cache_key(1), add.cache_key(1, 2), add.cache_key(b=2, a=1)}
    assert len(keys) == 1
    assert add(2, 1) == 3
    assert len(bodies) == 2


def test_arguments_of_different_types_are_different_calls(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store)
    def kind(a: object) -> str:
        RAN.warning("kind")
        return type(a).__name__

    values = [1, 1.0, True, "1", b"1", (1,), [1], None]
    assert [kind(value) for value in values] == [type(value).__name__ for value in values]
    assert [kind(value) for value in values] == [type(value).__name__ for value in values]
    assert len(bodies) == len(values)


def test_star_arguments_keep_their_borders(store: Store) -> None:
    @robust_cacheable(store=store)
    def shown(a: object = None, *rest: object, flag: object = 0, **named: object) -> str:
        return repr((a, rest, flag, named))

    calls: list[tuple[tuple, dict]] = [
        ((), {}), ((1,), {}), ((1, 2), {}), (((1, 2),), {}), ((1, (2,)), {}), ((1, 2, 3), {}), ((1,
        [2]), {}),
        ((1, 23), {}), ((12, 3), {}), (("ab", "c"), {}), (("a", "bc"), {}), ((None, 2), {}),
        ((), {"flag": 1}), ((), {"other": 1}), ((1,), {"flag": 1}), ((1,), {"rest": (2,)}), ((1,),
        {"named": {}}),
        ((), {"x": 1, "y": 2}), ((), {"y": 2, "x": 1}), ((), {"x": 2, "y": 1}), (({"x": 1},), {}),
        ((1, {"x": 1}), {}),
    ]  # fmt: skip
    plain = shown.__wrapped__
    for _ in range(2):
        for args, named in calls:
            assert shown(*args, **named) == plain(*args, **named)
    assert shown.cache_info().misses == len(calls)
    assert shown.cache_info().hits == len(calls)
    assert len({shown.cache_key(*args, **named) for args, named in calls}) == len(calls)


def test_the_order_of_named_parameters_does_not_count_and_of_others_does(store: Store) -> None:
    @robust_cacheable(store=store)
    def ordered(*, a: int, b: int, **rest: int) -> list:
        return [a, b, *rest]

    assert ordered(a=1, b=2) == ordered(b=2, a=1)
    assert ordered.cache_info().misses == 1
    assert ordered(a=1, b=2, x=3, y=4) == [1, 2, "x", "y"]
    assert ordered(a=1, b=2, y=4, x=3) == [1, 2, "y", "x"]


def test_a_positional_only_name_may_come_again_by_keyword(store: Store) -> None:
    @robust_cacheable(store=store)
    def both(a: int, /, **rest: int) -> tuple:
        return a, rest

    assert both(1, a=2) == (1, {"a": 2})
    assert both(2, a=1) == (2, {"a": 1})
    assert both(1) == (1, {})
    assert both(1, a=2) == (1, {"a": 2})
    assert both.cache_info().misses == 3


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ((), {}),
        ((1, 2, 3), {}),
        ((1,), {"a": 1}),
        ((1,), {"c": 1}),
        ((), {"b": 1}),
        ((1,), {"": 1}),
    ],
)
def test_wrong_arguments_raise_what_python_raises(store: Store, args: tuple, named: dict) -> None:
    add = adder(store)
    with pytest.raises(TypeError) as expected:
        add.__wrapped__(*args, **named)
    with pytest.raises(TypeError) as raised:
        add(*args, **named)
    assert type(raised.value) is TypeError
    assert str(raised.value).rpartition("add()")[2] == str(expected.value).rpartition("add()")[2]
    for question in (add.cache_key, add.is_cached, add.refresh, add.explain):
        with pytest.raises(TypeError):
            question(*args, **named)


def test_a_default_is_filled_in_as_it_was_at_definition(store: Store) -> None:
    @robust_cacheable(store=store)
    def scaled(a: int, factors: tuple = (1, 2)) -> list:
        return [a * factor for factor in factors]

    assert scaled(2) == scaled(2, (1, 2)) == scaled(2, factors=(1, 2)) == [2, 4]
    assert scaled.cache_info().misses == 1
    assert scaled(2, [1, 2]) == [2, 4]
    assert scaled.cache_info().misses == 2


def test_an_exception_is_raised_as_it_was_and_not_stored(store: Store, bodies: Bodies) -> None:
    error = ValueError("no bars")
    bodies.action = lambda _: (_ for _ in ()).throw(error)
    add = adder(store)
    for _ in range(2):
        with pytest.raises(ValueError, match="no bars") as raised:
            add(1)
        assert raised.value is error
        assert any(entry.name == "add" for entry in raised.traceback)
    assert not add.is_cached(1)
    assert len(store) == 0
    bodies.action = lambda _: None
    assert [add(1), add(1)] == [3, 3]
    assert len(bodies) == 3


@pytest.mark.parametrize(
    "kind", [KeyboardInterrupt, SystemExit, BaseException, StopIteration, MemoryError]
)
def test_any_kind_of_exception_passes_through(
    store: Store, bodies: Bodies, kind: type[BaseException]
) -> None:
    bodies.action = lambda _: (_ for _ in ()).throw(kind)
    add = adder(store)
    with pytest.raises(RuntimeError if kind is StopIteration else kind):
        add(1)
    assert not add.is_cached(1)


def test_none_is_a_result_like_any_other(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store)
    def nothing(_: int) -> None:
        RAN.warning("nothing")

    assert [nothing(1), nothing(1)] == [None, None]
    assert len(bodies) == 1
    assert nothing.is_cached(1)
    assert not nothing.is_cached(2)


def test_a_recursive_function_computes_each_step_once(module: Callable, bodies: Bodies) -> None:
    source = """
from afml_cache import robust_cacheable
from bodies import RAN

@robust_cacheable
def fibonacci(n):
    RAN.warning("fibonacci")
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
"""
    fibonacci = module(source).fibonacci
    assert fibonacci(60) == 1548008755920
    assert len(bodies) == 61
    assert fibonacci(59) == 956722026041
    assert len(bodies) == 61


def test_two_functions_of_one_code_do_not_share_results(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store)
    def left(a: int) -> int:
        RAN.warning("either")
        return a

    @robust_cacheable(store=store)
    def right(a: int) -> int:
        RAN.warning("either")
        return a

    assert left.cache_key(1) != right.cache_key(1)
    assert [left(1), right(1)] == [1, 1]
    assert len(bodies) == 2


def test_a_store_may_be_given_by_path(tmp_path: Path, bodies: Bodies) -> None:
    for place in (tmp_path / "a", str(tmp_path / "a"), Store(tmp_path / "a"), tmp_path / "b"):
        assert adder(place)(1) == 3
    assert len(bodies) == 2


def test_an_argument_changed_between_two_calls_misses(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store)
    def total(values: list) -> int:
        RAN.warning("total")
        return sum(values)

    values = [1, 2]
    assert total(values) == 3
    values.append(3)
    assert total(values) == 6
    values.pop()
    assert total(values) == 3
    assert len(bodies) == 2


def test_a_coroutine_function_is_awaited_once(store: Store, bodies: Bodies) -> None:
    @robust_cacheable(store=store)
    async def fetched(a: int) -> int:
        RAN.warning("fetched")
        await asyncio.sleep(0)
        if a < 0:
            raise ValueError(a)
        return a * 2

    async def main() -> None:
        assert await fetched(2) == 4
        assert await fetched(a=2) == 4
        assert await asyncio.gather(*(fetched(3) for _ in range(5))) == [6] * 5
        for _ in range(2):
            with pytest.raises(ValueError, match="-1"):
                await fetched(-1)

    asyncio.run(main())
    asyncio.run(main())
    assert bodies.ran.count("fetched") <= 2 + 4 + 4
    assert fetched.is_cached(2)
    assert fetched.cache_info().hits >= 3
