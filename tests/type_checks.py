"""Cheaper checks of annotations while tests run: those without shapes need beartype alone.

jaxtyping checks the arguments of each call twice and keeps sizes that have names. Only functions
whose annotations name an array type need that. What cannot be told is left to jaxtyping.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import re
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import jaxtyping

NAME = re.compile(r"[A-Za-z_][\w.]*")
TEXT = re.compile(r"Literal\[[^\]]*\]")  # which holds no names
jaxtyped_by_jaxtyping = jaxtyping.jaxtyped


def jaxtyped(function: Any = None, *, typechecker: Callable[..., Any]) -> Any:
    """Do what `jaxtyping.jaxtyped` does, and faster where no shape is named."""
    if function is None:
        return functools.partial(jaxtyped, typechecker=typechecker)
    if inspect.isfunction(function) and _names_no_shape(function):
        return typechecker(function)
    return jaxtyped_by_jaxtyping(function, typechecker=typechecker)


def _names_no_shape(function: types.FunctionType) -> bool:
    texts = (TEXT.sub("", str(text)) for text in function.__annotations__.values())
    names = {name for text in texts for name in NAME.findall(text)}
    return all(_is_shapeless(_find(name, function.__globals__)) for name in names - {"None"})


def _find(name: str, names: Mapping[str, Any]) -> Any:
    """Return the object that has this dotted name, None if it is not imported at run time."""
    first, *rest = name.split(".")
    found = names.get(first, getattr(builtins, first, None))
    return functools.reduce(lambda owner, part: getattr(owner, part, None), rest, found)


def _is_shapeless(named: Any) -> bool:
    """Whether this is a class. An alias may hold a shape, as jaxtyping's classes do."""
    if named is Any or not isinstance(named, type) or isinstance(named, types.GenericAlias):
        return named is Any
    return not issubclass(named, (jaxtyping.AbstractArray, jaxtyping.AbstractDtype))


jaxtyping.jaxtyped = jaxtyped  # read by the decorators that jaxtyping's hook inserts

if sys.version_info < (3, 11):
    # jaxtyping 0.3.7, the last for Python 3.10, adds checks where `no_type_check` forbids them.
    # Numba's cache cannot pickle functions that have them. And beartype does not know the
    # `Unpack` of typing_extensions, which is no part of typing there.
    from jaxtyping._import_hook import JaxtypingTransformer

    def add_checks(
        self: ast.NodeVisitor,
        node: ast.FunctionDef,
        add: Callable[..., ast.AST] = JaxtypingTransformer.visit_FunctionDef,
    ) -> ast.AST:
        marks = [ast.unparse(decorator) for decorator in node.decorator_list]
        kwargs = ast.unparse(node.args.kwarg) if node.args.kwarg else ""
        return node if "no_type_check" in marks or "Unpack[" in kwargs else add(self, node)

    JaxtypingTransformer.visit_FunctionDef = add_checks
