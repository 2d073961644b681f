"""Inputs written as formulas, such as ``x_i=((7919*i) mod 101)/100, i=1..n``.

Long samples are given by a formula in the index ``i`` instead of by their values. The arithmetic is
evaluated from the syntax tree, so a file can hold sums and powers but no calls into Python.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

_RECIPE = re.compile(
    r"^\s*[A-Za-z]\w*_i\s*=\s*(?P<body>.+?)\s*(?:(?:[,;]|\bfor\b|[,;]\s*for\b)\s*i\s*(?:=|\bin\b)"
    r"\s*(?P<first>.+?)\s*,?\s*\.\.\.?\s*,?\s*(?P<last>.+?)\s*)?$"
)
_EQUATION = re.compile(r"^[^=<>]*=\s*(?P<value>[-+\d.eE/*() ]+)$")
_IMPLIED_PRODUCT = re.compile(r"(?<=[\d)])\s*(?=i\b|\()|(?<=\bi)\s*(?=\()")
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "sqrt": math.sqrt, "exp": math.exp, "ln": math.log, "log": math.log, "sin": math.sin, "cos": math.cos,
    "floor": math.floor, "ceil": math.ceil, "abs": abs, "min": min, "max": max,
}  # fmt: skip


def is_recipe(text: str) -> bool:
    """The text defines a sample by a formula in i."""
    return _RECIPE.match(text) is not None


def expand(text: str, names: Mapping[str, Any]) -> list[float]:
    """The sample a recipe describes; ``names`` gives ``n`` where the recipe leaves its length open."""
    found = _RECIPE.match(text)
    if found is None:
        raise ValueError(f"not a recipe: {text!r}")
    first = evaluate(found["first"] or "1", names)
    last = evaluate(found["last"] or "n", names)
    return [float(evaluate(found["body"], {**names, "i": i})) for i in range(int(first), int(last) + 1)]


def right_hand_side(text: str) -> float | None:
    """The number in a text such as ``sigma_x^2+sigma_y^2=0.05``; None when there is none."""
    found = _EQUATION.match(text)
    return None if found is None else float(evaluate(found["value"], {}))


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """The value of an arithmetic expression; ``mod`` and ``^`` are as in print, ``2 i`` is a product."""
    source = re.sub(r"\bmod\b", "%", text).replace("^", "**").replace("\N{MULTIPLICATION SIGN}", "*")
    source = re.sub(r"(?<![\w.])0+(?=\d)", "", source)
    return _value(ast.parse(_IMPLIED_PRODUCT.sub("*", source).strip(), mode="eval").body, names)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Name(id="pi"):
            return math.pi
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, names)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, names)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left, names), _value(right, names))
        case ast.Call(func=ast.Name(id=name), args=args) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(arg, names) for arg in args))
    raise ValueError(f"cannot evaluate {ast.unparse(node)!r}")
