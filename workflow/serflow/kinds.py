"""What a paper file chooses by name (`kind`): functions whose keyword-only parameters are their options.

The options are read from the source text: nothing is imported or run, so that a dry run needs no torch or librosa, and
a user's own file is checked like ours. A parameter's annotation says what is allowed (names of `serflow.types`, alone,
in ``[ ]`` or joined by ``|``), its default that it may be left out, the docstring what it means. An option that is a
mapping names the function of the same file that takes it: ``Annotated[dict[str, Any], "recurrent"]``.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

from serflow.errors import ConfigError
from serflow.types import NAMESPACE

if TYPE_CHECKING:
    from pydantic import BaseModel

PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Option:
    """One option: its name, annotation (`object` where there is none), whether it is needed, meaning and default."""

    name: str
    annotation: Any
    required: bool
    meaning: str = ""
    default: str | float | None = None


@dataclass(frozen=True)
class Nested:
    """The options of an option that is a mapping; pydantic checks it by them."""

    title: str
    options: tuple[Option, ...]

    def __get_pydantic_core_schema__(self, _source: Any, handler: Any) -> Any:
        """Return the schema of the mapping's model."""
        return handler.generate_schema(options_model(self.title, self.options))


@dataclass(frozen=True)
class Kinds:
    """A set of kinds: the modules of a package, each with a function of its own name or of one name shared by all.

    ``package``: such as ``serflow.models.architectures``, or a module whose functions ``names`` are the kinds;
    ``function``: the shared name; ``given``: keyword-only parameters that are no options, since the caller gives them.
    """

    package: str
    function: str = ""
    names: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The package's folder, or the module's file without suffix."""
        return PACKAGE.joinpath(*self.package.split(".")[1:])

    def known(self) -> list[str]:
        """Return the names of all kinds, sorted."""
        return list(self._known)

    @functools.cached_property  # a dry run asks for thousands of names
    def _known(self) -> tuple[str, ...]:
        return tuple(sorted(self.names or (path.stem for path in self.path.glob("[!_]*.py"))))

    def file(self, name: str) -> Path:
        """Return the source file of a kind: a module of the package, or the user's own file where the name is a path.

        Raises
        ------
        ConfigError
            If there is none; ``where`` is empty for the caller to fill in.
        """
        if name.endswith(".py"):
            if not Path(name).is_file():
                raise ConfigError("", f"there is no file {name!r}", "Correct the path.")
            return Path(name)
        if name not in self._known:
            raise ConfigError("", f"unknown name {name!r}", suggest(name, self.known()))
        return self.path.with_suffix(".py") if self.names else self.path / f"{name}.py"

    def module(self, name: str) -> ModuleType:
        """Import the module of a kind; see `file` for errors."""
        path = self.file(name)
        if name.endswith(".py"):
            return _load_file(path)
        return import_module(self.package if self.names else f"{self.package}.{name}")

    def load(self, name: str) -> Callable[..., Any]:
        """Return the function of a kind; see `file` for errors."""
        function = getattr(self.module(name), self._function(name), None)
        if function is None:
            raise ConfigError("", f"{name!r} has no function {self._function(name)}", "Define it there.")
        return function

    def options(self, name: str) -> dict[str, Option]:
        """Return the options of a kind by name, in the order of its parameters; see `file` for errors."""
        found = _read_options(self.file(name), self._function(name))
        return {option.name: option for option in found if option.name not in self.given}

    def _function(self, name: str) -> str:
        return self.function or (Path(name).stem if name.endswith(".py") else name)

    def constant(self, name: str, key: str, default: str) -> str:
        """Return a text that a kind's module assigns to `key` at its top, such as ``FRAMEWORK = "sklearn"``."""
        for node in _parse(self.file(name)).body:
            names = [getattr(target, "id", "") for target in node.targets] if isinstance(node, ast.Assign) else []
            if key in names and isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                return str(node.value.value)
        return default


def suggest(name: object, allowed: Sequence[str]) -> str:
    """Return the sentence that says which names are allowed, first the one that was probably meant."""
    import difflib

    close = difflib.get_close_matches(str(name), map(str, allowed), n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Allowed: {', '.join(allowed) or 'none'}."


@functools.cache
def options_model(title: str, options: tuple[Option, ...]) -> type[BaseModel]:
    """Return the pydantic model that checks a mapping of options: none unknown, none missing."""
    from pydantic import ConfigDict, Field, create_model

    fields: dict[str, Any] = {}
    for option in options:
        default = ... if option.required else option.default
        fields[option.name] = (option.annotation, Field(default, description=option.meaning or None))
    return create_model(title, __config__=ConfigDict(extra="forbid", strict=True, validate_default=False), **fields)


def split_kind(options: Mapping[str, Any], key: str = "kind") -> tuple[str, dict[str, Any]]:
    """Return the name of a kind and its options: ``{kind: image, height: 64}`` gives ``("image", {"height": 64})``."""
    rest = dict(options)
    return rest.pop(key), rest


def _load_file(path: Path) -> ModuleType:
    """Return the module that a file holds; the path is relative to the working directory, as all in config.yaml.

    It may import files beside it.
    """
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # behind all else: it hides no library
    spec = spec_from_file_location(f"own file {path.resolve()}", path)
    assert spec is not None, path  # noqa: S101 (a .py file has a loader)
    assert spec.loader is not None, path  # noqa: S101
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass of it looks it up
    spec.loader.exec_module(module)
    return module


@functools.cache
def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise ConfigError(path, f"is no Python ({error})", "Correct the file.") from error


def _find_function(path: Path, name: str) -> ast.FunctionDef:
    for node in _parse(path).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise ConfigError(path, f"has no function {name}", "Define it there.")


def _read_options(path: Path, name: str) -> tuple[Option, ...]:
    function = _find_function(path, name)
    meanings = _read_meanings(ast.get_docstring(function) or "")
    parameters = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return tuple(
        Option(
            found.arg, _resolve(found.annotation, path), default is None, meanings.get(found.arg, ""), _plain(default)
        )
        for found, default in parameters
    )


def _plain(default: ast.expr | None) -> str | float | None:
    """Return a default that is a number, text, true or false; None for any other."""
    value = default.value if isinstance(default, ast.Constant) else None
    return value if isinstance(value, str | int | float) else None


def _resolve(node: ast.expr | None, path: Path) -> Any:
    """Return the type that an annotation means; `object` (anything) where it has what is not ours."""
    try:
        return _build_type(node, path)
    except (LookupError, TypeError):
        return object


def _build_type(node: ast.expr | None, path: Path) -> Any:
    """Return the type that a tree of our names means; raise a LookupError or TypeError where it has others."""
    match node:
        case ast.Name(id=name):
            return NAMESPACE[name]
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=parts):
            return tuple(_build_type(part, path) for part in parts)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _build_type(left, path) | _build_type(right, path)
        case ast.Subscript(
            value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, ast.Constant(value=str(name))])
        ):
            return Annotated[_build_type(inner, path), Nested(name, _read_options(path, name))]
        case ast.Subscript(value=generic, slice=parameters):
            return _build_type(generic, path)[_build_type(parameters, path)]
    raise TypeError(node)


def _read_meanings(docstring: str) -> dict[str, str]:
    """Return what a NumPy docstring's section Parameters says of each name."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}|\Z)", docstring, re.MULTILINE | re.DOTALL)
    meanings: dict[str, str] = {}
    if section:
        for names, text in re.findall(r"^(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?|\n)*)", section[1] + "\n", re.MULTILINE):
            meaning = " ".join(text.split())
            meanings |= {name.strip(): meaning for name in names.partition(" : ")[0].split(",")}
    return meanings
