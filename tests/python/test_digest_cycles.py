"""Values that hold themselves, and values that are held twice."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afml_cache import UncacheableArgumentError, digest


def ring(size: int, odd: int = -1) -> list[dict]:
    """Make dictionaries that know the one before and the one after."""
    nodes: list[dict] = [{"number": int(place == odd)} for place in range(size)]
    for place, node in enumerate(nodes):
        node["next"] = nodes[(place + 1) % size]
        node["previous"] = nodes[place - 1]
    return nodes


def looped(value: object) -> list:
    items = [value]
    items.append(items)
    return items


def test_a_list_that_holds_itself_has_the_digest_of_its_copy() -> None:
    assert digest(looped(1)) == digest(copy.deepcopy(looped(1))) != digest(looped(2))
    assert digest([looped(1)]) != digest(looped(1))


def test_an_array_and_a_frame_can_stand_in_a_cycle() -> None:
    def array(value: object) -> np.ndarray:
        cells = np.empty(2, object)
        cells[:] = [cells, value]
        return cells

    assert digest(array(1)) == digest(array(1)) != digest(array(2))
    holder: dict = {"cells": np.empty(1, object)}
    holder["cells"][0] = holder
    assert digest(holder) == digest(copy.deepcopy(holder)) != digest(holder["cells"])


def test_a_loop_of_one_differs_from_a_loop_of_two() -> None:
    one: list = []
    one.append(one)
    two: list = [[]]
    two[0].append(two)
    assert len({digest(one), digest(two), digest([one]), digest([])}) == 4


def test_a_cycle_does_not_depend_on_what_stands_around_it() -> None:
    inner = looped(5)
    assert digest([inner, 1, inner]) == digest([looped(5), 1, looped(5)])
    assert digest({"a": {"b": inner}}) == digest({"a": {"b": looped(5)}})


def test_a_change_anywhere_in_a_ring_is_seen() -> None:
    digests = {digest(ring(20, odd)[0]) for odd in range(-1, 20)}
    assert len(digests) == 21
    assert digest(ring(20)) == digest(copy.deepcopy(ring(20)))


def test_who_points_where_is_seen() -> None:
    def build(target: int) -> list:
        nodes: list[list] = [[] for _ in range(4)]
        for place, node in enumerate(nodes):
            node.extend([place, nodes[(place + 1) % 4], nodes[target]])
        return nodes[0]

    assert len({digest(build(target)) for target in range(4)}) == 4


def test_a_cycle_inside_a_cycle_leaves_the_outer_one_whole() -> None:
    def build(inner: int, member: int) -> list:
        outer: list = []
        backs = [[outer, place] for place in range(3)]
        outer.extend([*backs, looped(inner)])
        return [outer, backs[member]]

    digests = {digest(build(inner, member)) for inner in range(3) for member in range(3)}
    assert len(digests) == 9
    assert digest(build(1, 2)) == digest(copy.deepcopy(build(1, 2)))


def test_a_set_may_stand_in_a_cycle_as_long_as_its_members_do_not_know_each_other() -> None:
    class Node:
        def __init__(self, name: str) -> None:
            self.name = name
            self.children: set[Node] = set()
            self.parent: Node | None = None

    def family(names: str, *, siblings: bool = False) -> Node:
        parent = Node("parent")
        children = [Node(name) for name in names]
        for child in children:
            child.parent = parent
            if siblings:
                child.children = {children[0], children[1]}
        parent.children.update(children)
        return parent

    assert digest(family("abc")) == digest(family("cab")) != digest(family("abd"))
    with pytest.raises(UncacheableArgumentError, match="set"):
        digest(family("abc", siblings=True))


def test_the_order_in_which_a_set_gives_the_values_of_a_cycle_does_not_show() -> None:
    class Node:
        def __init__(self, name: str) -> None:
            self.name = name
            self.others: list[Node] = []

    digests = set()
    kept = []
    for _ in range(50):  # sets order such objects by their addresses
        parent, child = Node("parent"), Node("child")
        parent.others, child.others = [child], [parent]
        kept.append(object())
        digests.add(digest({parent, child}))
        digests.add(digest({child, parent}))
        kept.append((parent, child))
    assert len(digests) == 1


def test_sharing_does_not_show() -> None:
    part = [1, (2, 3), {"x": "y"}]
    other = copy.deepcopy(part)
    assert digest([part, part, (part,)]) == digest([part, other, (copy.deepcopy(part),)])
    value: object = part
    apart: object = other
    for _ in range(12):
        value, apart = [value, value], [apart, copy.deepcopy(apart)]
    assert digest(value) == digest(apart)


def test_sharing_is_not_walked_twice() -> None:
    value: object = 1
    for _ in range(200):
        value = (value, value)
    assert len(digest(value)) == 32


GROW: dict[str, Callable[[int], object]] = {
    "entries of a dict": lambda size: {str(place): (place, "x") for place in range(size)},
    "ring, all of it": ring,
    "ring, from one": lambda size: ring(size)[0],
}


@pytest.mark.parametrize("kind", GROW)
def test_a_hundred_thousand_values_that_know_each_other_are_digested(kind: str) -> None:
    make = GROW[kind]
    assert digest(make(100_000)) == digest(make(100_000)) != digest(make(99_999))


@st.composite
def graphs(draw: st.DrawFn) -> list[list]:
    """Lists that hold numbers and each other, all reached from the first."""
    size = draw(st.integers(1, 6))
    nodes: list[list] = [[] for _ in range(size)]
    for place, node in enumerate(nodes):
        if place:
            nodes[draw(st.integers(0, place - 1))].append(node)
        for target in draw(st.lists(st.integers(0, size - 1), max_size=3)):
            node.append(nodes[target])
    for node in nodes:
        node.insert(draw(st.integers(0, len(node))), draw(st.integers(0, 2)))
    return nodes


@given(graphs(), st.data())
def test_a_graph_equals_its_copy_and_any_change_of_a_number_shows(
    nodes: list[list], data: st.DataObject
) -> None:
    before = digest(nodes[0])
    assert digest(copy.deepcopy(nodes[0])) == before
    node = nodes[data.draw(st.integers(0, len(nodes) - 1))]
    place = next(place for place, item in enumerate(node) if isinstance(item, int))
    node[place] += 7
    assert digest(nodes[0]) != before
    node[place] -= 7
    assert digest(nodes[0]) == before


@given(graphs())
def test_the_graphs_of_the_nodes_are_told_apart_as_their_shapes_are(nodes: list[list]) -> None:
    shapes = [shape(node) for node in nodes]
    for one, mine in zip(nodes, shapes, strict=True):
        for other, theirs in zip(nodes, shapes, strict=True):
            if digest(one) == digest(other):
                assert same_unfolding(one, other)
            if mine == theirs and acyclic(one):
                assert digest(one) == digest(other)


def shape(node: list) -> tuple:
    """Number the lists in the order in which they are met."""
    numbers: dict[int, int] = {}
    order: list[list] = [node]
    found = []
    numbers[id(node)] = 0
    for current in order:
        row: list[object] = []
        for item in current:
            if isinstance(item, list):
                if id(item) not in numbers:
                    numbers[id(item)] = len(order)
                    order.append(item)
                row.append(("list", numbers[id(item)]))
            else:
                row.append(item)
        found.append(tuple(row))
    return tuple(found)


def acyclic(node: list, above: tuple[int, ...] = ()) -> bool:
    return id(node) not in above and all(
        acyclic(item, (*above, id(node))) for item in node if isinstance(item, list)
    )


def same_unfolding(one: list, other: list) -> bool:
    """Whether two lists look the same from outside, however far one walks."""
    pending, seen = [(one, other)], set()
    while pending:
        mine, theirs = pending.pop()
        if (id(mine), id(theirs)) in seen:
            continue
        seen.add((id(mine), id(theirs)))
        if len(mine) != len(theirs):
            return False
        for left, right in zip(mine, theirs, strict=True):
            if isinstance(left, list) != isinstance(right, list):
                return False
            if isinstance(left, list):
                pending.append((left, right))
            elif left != right:
                return False
    return True
