"""The subset of CloudWatch metric math in the emulator: + - * /, brackets, numbers, ids and FILL(id, number)."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OPERATORS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FILL: Final = "FILL"
_FILL_ARGUMENTS: Final = 2


def ids_of(expression: str) -> frozenset[str]:
    """Return the ids that an expression needs; raises ValueError for one that the emulator cannot evaluate."""
    return frozenset(_ids(_parse(expression)))


def evaluate(expression: str, known: Mapping[str, float | None]) -> float | None:
    """Return the value of an expression; None if an id that it needs has no value, or if it divides by zero."""
    try:
        return _value(_parse(expression), known)
    except ZeroDivisionError:
        return None


def _parse(expression: str) -> ast.expr:
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"the emulator cannot read the expression {expression}") from error


def _ids(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Constant) and _is_number(node.value):
        return set()
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _ids(node.left) | _ids(node.right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _ids(node.operand)
    filled = _filled(node)
    if filled is not None:
        return _ids(filled[0]) | _ids(filled[1])
    raise ValueError(f"the emulator does not support {ast.unparse(node)} in an expression")


def _value(node: ast.expr, known: Mapping[str, float | None]) -> float | None:
    if isinstance(node, ast.Constant):
        return float(node.value) if isinstance(node.value, int | float) else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, known), _value(node.right, known)
        return None if left is None or right is None else _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        operand = _value(node.operand, known)
        return None if operand is None else -operand
    filled = _filled(node)
    if filled is None:
        return None
    first = _value(filled[0], known)
    return _value(filled[1], known) if first is None else first


def _filled(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == _FILL
    if not isinstance(node, ast.Call) or not named or len(node.args) != _FILL_ARGUMENTS or node.keywords:
        return None
    return node.args[0], node.args[1]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
