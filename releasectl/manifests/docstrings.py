"""What the fields of the manifest types mean, read from the docstrings below them when somebody asks."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


@cache
def field_docstrings(model: type[BaseModel]) -> Mapping[str, str]:
    """Field -> the text right below its declaration; inherited fields are included."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if each in (object, BaseModel) or not issubclass(each, BaseModel):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        for field, text in pairwise(definition.body if isinstance(definition, ast.ClassDef) else ()):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    found[name] = inspect.cleandoc(said)
    return found
