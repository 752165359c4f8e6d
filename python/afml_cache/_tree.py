"""Source code as plain values: the same for one source under every Python.

A tree is written in one flat run of words, each node as its name and its fields in the order of
`_FIELDS`, each list as its length and its elements. What a field may hold is fixed, so the run can
be read in one way only, and no chain of operators is too deep for it.
"""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION: Final = 1
"""Part of every tree; another one wherever the same source would be written otherwise."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DOCUMENTED: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

_DEFINITION: Final = "decorator_list name type_params? args returns body"
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    name: tuple(fields.split())
    for name, fields in {
        "AnnAssign": "target annotation value",
        "Assert": "test msg",
        "Assign": "targets value",
        "AsyncFor": "target iter body orelse",
        "AsyncFunctionDef": _DEFINITION,
        "AsyncWith": "items body",
        "Attribute": "value attr",
        "AugAssign": "target op value",
        "Await": "value",
        "BinOp": "left op right",
        "BoolOp": "op values",
        "Call": "func args keywords",
        "ClassDef": "decorator_list name type_params? bases keywords body",
        "Compare": "left ops comparators",
        "Constant": "value",
        "Delete": "targets",
        "Dict": "keys values",
        "DictComp": "key value generators",
        "ExceptHandler": "type name body",
        "Expr": "value",
        "For": "target iter body orelse",
        "FormattedValue": "value conversion format_spec",
        "FunctionDef": _DEFINITION,
        "GeneratorExp": "elt generators",
        "Global": "names",
        "If": "test body orelse",
        "IfExp": "test body orelse",
        "Import": "names",
        "ImportFrom": "module names level",
        "Interpolation": "value str conversion format_spec",
        "JoinedStr": "values",
        "Lambda": "args body",
        "List": "elts",
        "ListComp": "elt generators",
        "Match": "subject cases",
        "MatchAs": "pattern name",
        "MatchClass": "cls patterns kwd_attrs kwd_patterns",
        "MatchMapping": "keys patterns rest",
        "MatchOr": "patterns",
        "MatchSequence": "patterns",
        "MatchSingleton": "value",
        "MatchStar": "name",
        "MatchValue": "value",
        "Name": "id",
        "NamedExpr": "target value",
        "Nonlocal": "names",
        "ParamSpec": "name default_value?",
        "Raise": "exc cause",
        "Return": "value",
        "Set": "elts",
        "SetComp": "elt generators",
        "Slice": "lower upper step",
        "Starred": "value",
        "Subscript": "value slice",
        "TemplateStr": "values",
        "Try": "body handlers orelse finalbody",
        "TryStar": "body handlers orelse finalbody",
        "Tuple": "elts",
        "TypeAlias": "name type_params? value",
        "TypeVar": "name bound default_value?",
        "TypeVarTuple": "name default_value?",
        "UnaryOp": "op operand",
        "While": "test body orelse",
        "With": "items body",
        "Yield": "value",
        "YieldFrom": "value",
        "alias": "name asname",
        "arg": "arg annotation",
        "arguments": "posonlyargs args vararg kwonlyargs kw_defaults kwarg defaults",
        "comprehension": "target iter ifs is_async",
        "keyword": "arg value",
        "match_case": "pattern guard body",
        "withitem": "context_expr optional_vars",
        # nothing but their kind
        **dict.fromkeys(("Break", "Continue", "And", "Or", "Not", "Invert", "UAdd", "USub"), ""),
        **dict.fromkeys(("Add", "Sub", "Mult", "MatMult", "Div", "Mod", "Pow", "FloorDiv"), ""),
        **dict.fromkeys(("LShift", "RShift", "BitOr", "BitXor", "BitAnd"), ""),
        **dict.fromkeys(("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE", "Is", "IsNot", "In"), ""),
        "NotIn": "",
    }.items()
}
_STATEMENTS: Final = frozenset({"body", "orelse", "finalbody"})


def encode(function: Function) -> tuple[tuple[object, ...], tuple[tuple[int, str], ...]]:
    """Write a function's parameters and body, and apart from them the docstrings inside.

    Its name, decorators, defaults and annotations are no part of what runs when it is called.

    Raises
    ------
    KeyError
        A kind of node that this version does not know.
    """
    words: list[object] = [type(function).__name__, *_parameters(function.args)]
    documents: list[tuple[int, str]] = []
    body: list[ast.AST] = [*function.body] if isinstance(function.body, list) else [function.body]
    # what is still to be written, the next one last, and whether it runs in a class body
    pending: list[tuple[object, bool]] = [(_statements(function, body, documents, 0), False)]
    while pending:
        value, in_class = pending.pop()
        if isinstance(value, list):
            words.append(len(value))
            pending.extend((element, in_class) for element in reversed(value))
        elif isinstance(value, ast.AST):
            inside = isinstance(value, ast.ClassDef) or (
                in_class and not isinstance(value, FUNCTIONS)
            )
            word, fields = _node(value, in_class=in_class)
            words.append(word)
            parts = [_field(value, name, documents, len(words)) for name in fields]
            pending.extend((part, inside) for part in reversed(parts))
        else:
            words.append(value)
    return tuple(words), tuple(documents)


def _parameters(arguments: ast.arguments) -> Iterable[object]:
    for group in (arguments.posonlyargs, arguments.args, arguments.kwonlyargs):
        yield len(group)
        yield from (argument.arg for argument in group)
    for star in (arguments.vararg, arguments.kwarg):
        yield star.arg if star else None


def _node(node: ast.AST, *, in_class: bool) -> tuple[str, Iterable[str]]:
    """Give a node's name and the fields to write."""
    name = type(node).__name__
    fields: Iterable[str] = _FIELDS[name]
    if isinstance(node, ast.AnnAssign) and not in_class:
        # outside of class bodies nobody evaluates it
        fields = ("target", "value")
    return name, fields


def _field(node: ast.AST, field: str, documents: list[tuple[int, str]], place: int) -> object:
    name = field.rstrip("?")
    value = getattr(node, name, None)
    if name == "level":
        return value or 0
    if name == "type_params":
        return value or None
    if name == "values" and isinstance(node, ast.JoinedStr):
        return _merged(node.values)
    if name in _STATEMENTS and isinstance(value, list):
        return _statements(node, value, documents, place)
    return value


def _statements(
    node: ast.AST, body: list[ast.AST], documents: list[tuple[int, str]], place: int
) -> list[ast.AST]:
    """Leave out the statements that do nothing, a docstring among them."""
    if isinstance(node, _DOCUMENTED):
        words = ast.get_docstring(node, clean=False)
        if words is not None:
            documents.append((place, inspect.cleandoc(words)))
    return [statement for statement in body if not _is_idle(statement)]


def _is_idle(statement: ast.AST) -> bool:
    expression = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return expression or isinstance(statement, ast.Pass)


def _merged(values: list[ast.expr]) -> list[ast.expr]:
    """Merge the literal pieces of an f-string that stand side by side."""
    merged: list[ast.expr] = []
    for value in values:
        literal = value.value if isinstance(value, ast.Constant) else None
        last = merged[-1] if merged else None
        if not isinstance(literal, str):
            merged.append(value)
        elif isinstance(last, ast.Constant):
            merged[-1] = ast.Constant(str(last.value) + literal)
        elif literal:
            merged.append(value)
    return merged
