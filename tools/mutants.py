"""Small changes of a piece of Python, each of which a good test or checker notices.

What no test could notice is not changed: docstrings, annotations, the texts of errors, and code
for the type checker alone.
"""

import ast
from collections.abc import Callable, Iterator

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
Change = tuple[int, str, Callable[[], object]]  # line, description, what applies it


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield ("line 3: what was changed", changed source); one change each."""
    for index, (line, description, _) in enumerate(changes(ast.parse(source))):
        yield f"line {line}: {description}", mutant(source, index)


def mutant(source: str, index: int) -> str:
    """Return the source with only change number `index` of `changes` applied."""
    tree = ast.parse(source)
    changes(tree)[index][2]()
    return ast.unparse(ast.fix_missing_locations(tree))


def changes(tree: ast.AST) -> list[Change]:
    """List the possible changes of a tree, always in the same order."""
    return [change for node in _walk(tree) for change in _changes(node)]


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Raise):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _walk(child)


def _changes(node: ast.AST) -> Iterator[Change]:
    line = getattr(node, "lineno", 0)
    if type(operator := getattr(node, "op", None)) in SWAPS:
        new = SWAPS[type(operator)]
        yield line, _swap_text(operator, new), lambda: setattr(node, "op", new())
    for i, operator in enumerate(getattr(node, "ops", [])):
        if type(operator) in SWAPS:
            new = SWAPS[type(operator)]
            yield line, _swap_text(operator, new), lambda i=i, new=new: _put(node.ops, i, new())
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield line, f"{node.value} negated", lambda: setattr(node, "value", not node.value)
        elif isinstance(node.value, (int, float)):
            yield line, f"{node.value} plus 1", lambda: setattr(node, "value", node.value + 1)
    if isinstance(node, ast.Call):
        for i, keyword in enumerate(node.keywords):
            text = f"argument {keyword.arg} left out"
            yield keyword.lineno, text, lambda i=i: node.keywords.pop(i)
    body = getattr(node, "body", None)
    if isinstance(body, list) and not isinstance(node, (ast.Module, ast.ClassDef)):
        for i, statement in enumerate(body):
            if not (_is_docstring(statement) or isinstance(statement, ast.Pass)):
                text = f"`{ast.unparse(statement).splitlines()[0]}` left out"
                yield statement.lineno, text, lambda i=i: _put(body, i, ast.Pass())


def _swap_text(old: ast.AST, new: type[ast.AST]) -> str:
    return f"{type(old).__name__} becomes {new.__name__}"


def _put(items: list, index: int, item: ast.AST) -> None:
    items[index] = item


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
