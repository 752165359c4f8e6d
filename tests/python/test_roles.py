"""How parameters take part in the key: in order, without order, not at all."""

from afml_cache import robust_cacheable


def test_the_order_of_a_dictionary_counts_unless_it_is_said_not_to() -> None:
    @robust_cacheable
    def ordered(params: dict) -> list:
        return list(params)

    @robust_cacheable(unordered="params")
    def unordered(params: dict) -> int:
        return len(params)

    one, other = {"fast": 5, "deep": {"a": 1, "b": [2]}}, {"deep": {"b": [2], "a": 1}, "fast": 5}
    assert ordered(one) == ["fast", "deep"]
    assert ordered(other) == ["deep", "fast"]
    assert unordered.cache_key(one) == unordered.cache_key(other)
    assert unordered.cache_key(one) != unordered.cache_key({**one, "fast": 6})
    swapped = {"fast": {"a": 1, "b": [2]}, "deep": 5}
    assert unordered.cache_key(one) != unordered.cache_key(swapped)


def test_a_list_inside_of_it_keeps_its_order() -> None:
    @robust_cacheable(unordered="params")
    def unordered(params: dict) -> int:
        return len(params)

    assert unordered.cache_key({"a": [1, 2]}) != unordered.cache_key({"a": [2, 1]})


def test_keyword_arguments_may_be_without_order() -> None:
    @robust_cacheable(unordered="options")
    def f(**options: int) -> int:
        return len(options)

    assert f.cache_key(a=1, b=2) == f.cache_key(b=2, a=1) != f.cache_key(a=2, b=1)


def test_the_same_dictionary_counts_by_order_where_another_parameter_has_it() -> None:
    @robust_cacheable(unordered="first")
    def f(first: dict, second: dict) -> int:
        return len(first) + len(second)

    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert f.cache_key(one, one) == f.cache_key(other, one)
    assert f.cache_key(one, one) != f.cache_key(one, other)


def test_which_parameter_is_ignored_is_part_of_the_key() -> None:
    def f(a: int, b: int) -> tuple[int, int]:
        return a, b

    without_a, without_b = robust_cacheable(ignore="a")(f), robust_cacheable(ignore="b")(f)
    assert without_a.cache_key(5, 1) == without_a.cache_key(6, 1)
    assert without_a.cache_key(5, 1) != without_b.cache_key(1, 9)
