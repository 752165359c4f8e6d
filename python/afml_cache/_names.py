"""The names that a piece of source reads from outside: the same under every Python."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from afml_cache._reads import Reads
from afml_cache._tree import FUNCTIONS, Function

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DEFINITIONS: Final = (*FUNCTIONS, ast.ClassDef)
# answered by the compiler, or by the class body itself
_IMPLICIT: Final = frozenset({"__debug__", "__annotations__"})


@dataclass(slots=True)
class Block:
    """A piece of source with names of its own: a function's, a comprehension's, a class body's."""

    kind: str
    outer: Block | None
    private: str
    bound: set[str] = field(default_factory=set)
    outside: set[str] = field(default_factory=set)

    def reads_global(self, name: str) -> bool:
        """Whether `name`, read here, may be the module's. A class body's own may be, before."""
        if name in self.outside:
            return True
        block: Block | None = self if self.kind != "class" else self.outer
        while block is not None:
            if name in block.outside:
                return True
            if block.kind != "class" and name in block.bound:
                return False
            block = block.outer
        return True

    def mangled(self, name: str) -> str:
        """Give the name that a private one has in its class."""
        if not self.private or not name.startswith("__") or name.endswith("__") or "." in name:
            return name
        return f"_{self.private}{name}"


def reads_of(function: Function, free: Iterable[str], private: str) -> Reads:
    """Collect what a function and everything inside it read.

    Parameters
    ----------
    function
        The function's node.
    free
        The names that it takes from its closure.
    private
        The name, without leading underscores, of the class that the source stands in.
    """
    walk = _Walk()
    root = Block("function", None, private, bound=set(free))
    walk.enter_parameters(function.args, root)
    walk.enter(function.body, root)
    return walk.run()


class _Walk:
    """One walk, by a list of work; names are resolved when all that is bound is known."""

    def __init__(self) -> None:
        self._pending: list[tuple[ast.AST, Block]] = []
        self._chains: list[tuple[tuple[str, ...], Block]] = []
        self._found = Reads()

    def run(self) -> Reads:
        while self._pending:
            node, block = self._pending.pop()
            self._visit(node, block)
        for chain, block in self._chains:
            if chain[0] not in _IMPLICIT and block.reads_global(chain[0]):
                self._found.chains[chain] = None
        return self._found

    def enter(self, value: object, block: Block) -> None:
        """Put a node, or a list of them, on the list of work."""
        if isinstance(value, ast.AST):
            self._pending.append((value, block))
        elif isinstance(value, list):
            for element in reversed(value):
                self.enter(element, block)

    def enter_parameters(self, arguments: ast.arguments, block: Block) -> None:
        """Bind the parameters of a function in its own block."""
        named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        stars = (arguments.vararg, arguments.kwarg)
        names = (argument.arg for argument in (*named, *stars) if argument)
        block.bound.update(map(block.mangled, names))

    def _visit(self, node: ast.AST, block: Block) -> None:
        if isinstance(node, (ast.Name, ast.Attribute)):
            self._visit_chain(node, block)
        elif isinstance(node, _DEFINITIONS):
            self._visit_definition(node, block)
        elif isinstance(node, _COMPREHENSIONS):
            inner = Block("comprehension", block, block.private)
            first, *others = node.generators
            self.enter([first.target, *first.ifs, *others], inner)
            self.enter(
                [node.key, node.value] if isinstance(node, ast.DictComp) else node.elt, inner
            )
            self.enter(first.iter, block)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._visit_import(node, block)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and node.value.isidentifier():
                self._found.attributes[node.value] = None
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            self._bind(node, block)
            self.enter(_children(node, block), block)

    def _visit_chain(
        self, node: ast.Name | ast.Attribute, block: Block, *, loaded: bool = False
    ) -> None:
        """Take in `features.smooth` as a whole; a name that is bound here is noted as such."""
        names: list[str] = []
        current: ast.expr = node
        while isinstance(current, ast.Attribute):
            if loaded or isinstance(current.ctx, ast.Load):
                names.append(block.mangled(current.attr))
            current = current.value
        self._found.attributes.update(dict.fromkeys(reversed(names)))
        if not isinstance(current, ast.Name):
            self.enter(current, block)
            return
        name = block.mangled(current.id)
        if loaded or isinstance(current.ctx, ast.Load):
            self._chains.append(((name, *reversed(names)), block))
        else:
            block.bound.add(name)

    def _visit_definition(self, node: ast.AST, block: Block) -> None:
        """Enter a function or class: what stands above its body belongs to the outer block."""
        inner = block
        if not isinstance(node, ast.Lambda):
            block.bound.add(block.mangled(node.name))  # type: ignore[attr-defined]
            self.enter(node.decorator_list, block)  # type: ignore[attr-defined]
        parameters = getattr(node, "type_params", None)
        if parameters:
            inner = Block("function", block, block.private)
            self.enter(parameters, inner)
        if isinstance(node, ast.ClassDef):
            self.enter([*node.bases, *node.keywords], inner)
            self.enter(node.body, Block("class", inner, node.name.lstrip("_")))
        elif isinstance(node, FUNCTIONS):
            self.enter([*node.args.defaults, *filter(None, node.args.kw_defaults)], block)
            self.enter(_annotations(node), inner)
            body = Block("function", inner, inner.private)
            self.enter_parameters(node.args, body)
            self.enter(node.body, body)

    def _visit_import(self, node: ast.Import | ast.ImportFrom, block: Block) -> None:
        names = [alias.name for alias in node.names]
        for alias in node.names:
            top, *others = alias.name.split(".")
            block.bound.add(block.mangled(alias.asname or top))
            if isinstance(node, ast.ImportFrom):
                self._found.attributes[alias.name] = None
            else:
                self._found.imports[0, alias.name, ()] = None
                self._found.attributes.update(dict.fromkeys(others if alias.asname else ()))
        if isinstance(node, ast.ImportFrom):
            self._found.imports[node.level or 0, node.module or "", tuple(names)] = None

    def _bind(self, node: ast.AST, block: Block) -> None:
        """Note the names that a node binds other than by a name of its own."""
        if isinstance(node, ast.Global):
            block.outside.update(map(block.mangled, node.names))
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            block.bound.add(block.mangled(node.name))
        elif isinstance(node, ast.MatchMapping) and node.rest:
            block.bound.add(block.mangled(node.rest))
        elif isinstance(node, ast.MatchClass):
            self._found.attributes.update(dict.fromkeys(map(block.mangled, node.kwd_attrs)))
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, (ast.Name, ast.Attribute)):
            self._visit_chain(node.target, block, loaded=True)
        elif isinstance(node, ast.NamedExpr):
            while block.kind == "comprehension" and block.outer is not None:
                block = block.outer
            block.bound.add(block.mangled(node.target.id))
        elif type(node).__name__ in {"TypeVar", "ParamSpec", "TypeVarTuple"}:
            block.bound.add(node.name)  # type: ignore[attr-defined]


def _annotations(node: Function) -> list[ast.expr]:
    arguments = node.args
    named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    found = [one.annotation for one in (*named, arguments.vararg, arguments.kwarg) if one]
    returned = None if isinstance(node, ast.Lambda) else node.returns
    return [annotation for annotation in (*found, returned) if annotation]


def _children(node: ast.AST, block: Block) -> list[ast.AST]:
    """Give what a node is made of; nobody evaluates a local variable's annotation."""
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.AnnAssign) and block.kind != "class":
        children.remove(node.annotation)
    if isinstance(node, ast.NamedExpr):
        children.remove(node.target)
    return children
