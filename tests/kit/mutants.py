"""Small changes of a piece of Python, each of which a good checker refuses."""

import ast
import copy
from collections.abc import Iterator

SWAPS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Add,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.In: ast.NotIn,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.USub: ast.UAdd,
}


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield (what was changed, changed source); one change each, docstrings left alone."""
    tree = ast.parse(source)
    for index, node in enumerate(ast.walk(tree)):
        for number, change in enumerate(_changes(node)):
            other = copy.deepcopy(tree)
            target = list(ast.walk(other))[index]
            list(_changes(target))[number][1]()
            where = f"line {getattr(node, 'lineno', '?')}"
            yield f"{where}: {change[0]}", ast.unparse(ast.fix_missing_locations(other))


def _changes(node: ast.AST):
    """Yield (description, function that applies the change to this node)."""
    for field in ("op", "ops"):
        operators = getattr(node, field, [])
        several = isinstance(operators, list)
        for place, operator in enumerate(operators if several else [operators]):
            if type(operator) in SWAPS:
                new = SWAPS[type(operator)]
                name = f"{type(operator).__name__} becomes {new.__name__}"
                if several:
                    yield name, lambda n=node, p=place, o=new: n.ops.__setitem__(p, o())
                else:
                    yield name, lambda n=node, o=new: setattr(n, "op", o())
    if isinstance(node, ast.Constant) and not isinstance(node.value, str):
        if isinstance(node.value, bool):
            yield f"{node.value} turned over", lambda: setattr(node, "value", not node.value)
        elif isinstance(node.value, (int, float)):
            yield f"{node.value} plus 1", lambda: setattr(node, "value", node.value + 1)
    if isinstance(node, ast.Call) and node.keywords:
        for place, keyword in enumerate(node.keywords):
            yield f"argument {keyword.arg} left out", lambda p=place: node.keywords.pop(p)
    body = getattr(node, "body", None)
    if isinstance(body, list) and not isinstance(node, (ast.Module, ast.ClassDef)):
        for place, statement in enumerate(body):
            if not _is_docstring(statement):
                name = f"`{ast.unparse(statement).splitlines()[0]}` left out"
                yield name, lambda p=place: body.__setitem__(p, ast.Pass())


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
