"""The source files that a stage runs and their digest, which decides whether it runs again or may reuse its results.

The files are found by following imports in the source text; nothing is imported. An entry is

- a module: ``"serflow.training.run"``;
- a function of a module: ``"serflow.cli:train"``. Of that module only the function counts, without its decorators, and
  what it refers to there: helpers, constants and imports;
- the path of a source file, such as a user's own. Its imports of files beside it are followed too.

Imports inside functions count. Comments, docstrings, layout, blocks under ``if TYPE_CHECKING`` or ``if __name__ ==``
and ``__version__`` do not.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import hashlib
import json
import os
import symtable
import sys
from collections.abc import Iterable, Iterator
from importlib.util import decode_source
from pathlib import Path
from typing import Any, NamedTuple

from serflow.errors import ConfigError

#: What the stored results depend on beside a file's bytes; count up when `_dump` or `_select` changes.
VERSION = [1, *sys.version_info[:2]]

#: Fields of syntax trees that mean nothing when the code runs, or follow from the rest.
SKIPPED = {"ctx", "kind", "type_comment"}


class Part(NamedTuple):
    """A source file, or one function of it with what the function refers to there."""

    path: Path
    function: str = ""


class Node(NamedTuple):
    """What is known of a part: the digest of its syntax tree, and the parts that it imports."""

    digest: str
    imports: tuple[Part, ...]


class Sources:
    """The sources of one package, each read once per process; a user's own files are read at each call.

    What was read is kept for later processes in ``__pycache__/sources.json`` where that can be written.

    Parameters
    ----------
    package
        The package's folder; its name is the package's name.
    """

    def __init__(self, package: Path = Path(__file__).parent) -> None:
        self._package = package.resolve()
        self._cache = self._package / "__pycache__" / "sources.json"
        self._nodes: dict[Part, Node] = {}
        self._changed = False

    def closure(self, *entries: str | Path) -> tuple[Path, ...]:
        """Return the source files that entries reach by imports, sorted; see `digest`."""
        return tuple(sorted({part.path for part in self._reach(entries)}))

    def digest(self, *entries: str | Path) -> str:
        """Return the SHA-256 of all code that entries reach by imports; the order of entries does not matter.

        Parameters
        ----------
        *entries
            Modules, functions of modules, or paths; see the module's docstring.

        Raises
        ------
        ConfigError
            If an entry does not exist, or a file has a syntax error; it names the file and the line.
        """
        lines = sorted(f"{self._name(part)} {node.digest}\n" for part, node in self._reach(entries).items())
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _reach(self, entries: Iterable[str | Path]) -> dict[Part, Node]:
        """Return entries and all that they import, directly or not."""
        reached: dict[Part, Node] = {}
        todo = [part for entry in entries for part in self._find(entry)]
        while todo:
            part = todo.pop()
            if part not in reached:
                reached[part] = self._read(part)
                todo += reached[part].imports
        self._save()
        return reached

    def _find(self, entry: str | Path) -> list[Part]:
        """Return the parts that an entry names, with the packages above it."""
        if isinstance(entry, Path):
            name = self._names.get(entry.resolve())
            return self._import(name) if name else [Part(entry)]
        module, _, function = entry.partition(":")
        if module not in self._modules:
            raise ConfigError(entry, f"is no module of {self._package.name}", "Correct the name.")
        *packages, part = self._import(module)
        return [*packages, part._replace(function=function)]

    @functools.cached_property
    def _modules(self) -> dict[str, Path]:
        """The files of the package by module name."""
        found = {}
        for path in self._package.rglob("*.py"):
            parts = path.relative_to(self._package.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    @functools.cached_property
    def _names(self) -> dict[Path, str]:
        """The module names of the package by file."""
        return {path: name for name, path in self._modules.items()}

    def _import(self, name: str) -> list[Part]:
        """Return what importing a dotted name loads of the package, outermost first."""
        names = name.split(".")
        prefixes = (".".join(names[:end]) for end in range(1, len(names) + 1))
        return [Part(self._modules[prefix]) for prefix in prefixes if prefix in self._modules]

    def _resolve(self, name: str, path: Path) -> list[Part]:
        """Return what the import of a name (with leading dots if relative) loads in the file `path`."""
        bare = name.lstrip(".")
        if path not in self._names:
            return self._import(name) or [Part(file) for file in _find_beside(name, path)]
        if level := len(name) - len(bare):
            above = self._names[path].split(".")
            above = above[: len(above) - level + (path.name == "__init__.py")]
            return self._import(".".join([*above, bare]))
        return self._import(name)

    def _name(self, part: Part) -> str:
        """Return the name of a part, the same wherever the package stands."""
        name = self._names.get(part.path, part.path.name)
        return f"{name}:{part.function}" if part.function else name

    def _read(self, part: Part) -> Node:
        """Return what is known of a part."""
        if part in self._nodes:
            return self._nodes[part]
        digest, imports = self._analyse(part)
        node = Node(digest, tuple(found for name in imports for found in self._resolve(name, part.path)))
        if part.path in self._names:
            self._nodes[part] = node
        return node

    def _analyse(self, part: Part) -> tuple[str, list[str]]:
        """Return the digest of a part and the names that it imports, from the cache if the file is the same."""
        try:
            source = part.path.read_bytes()
        except OSError as error:
            raise ConfigError(part.path, f"cannot be read ({error.strerror})", "Correct the path.") from error
        key, sha256 = self._names.get(part.path) or str(part.path.resolve()), hashlib.sha256(source).hexdigest()
        if self._stored.get(key, {}).get("sha256") != sha256:
            self._stored[key] = {"sha256": sha256, "parts": {}}
        parts = self._stored[key]["parts"]
        if part.function not in parts:
            parts[part.function] = _analyse(source, part)
            self._changed = True
        digest, imports = parts[part.function]
        return digest, imports

    @functools.cached_property
    def _stored(self) -> dict[str, Any]:
        """What earlier processes stored: file -> digest of its bytes, and per part its digest and imports."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(self._cache.read_bytes())
            if content["version"] == VERSION:
                return dict(content["files"])
        return {}

    def _save(self) -> None:
        """Store what was read anew for later processes; of two that write at once the last one wins."""
        if self._changed:
            self._changed = False
            partial = self._cache.with_suffix(f".{os.getpid()}")
            with contextlib.suppress(OSError):
                partial.parent.mkdir(exist_ok=True)
                partial.write_text(json.dumps({"version": VERSION, "files": self._stored}))
                partial.replace(self._cache)


def _find_beside(name: str, path: Path) -> list[Path]:
    """Return what the import of a name loads in a user's file: modules and packages beside it or its packages."""
    bare = name.lstrip(".")
    folder = path.resolve().parent
    for _ in range(len(name) - len(bare) - 1):  # dots of a relative import beyond the first
        folder = folder.parent
    places = [folder]
    while name == bare and (places[-1] / "__init__.py").is_file():  # where the packages begin, Python looks too
        places.append(places[-1].parent)
    for place in places:
        steps = [place.joinpath(*bare.split(".")[:n]) for n in range(1, bare.count(".") + 2)]
        found = [file for step in steps for file in (step / "__init__.py", step.with_suffix(".py")) if file.is_file()]
        if found:
            return found
    return []


def _analyse(source: bytes, part: Part) -> tuple[str, list[str]]:
    """Return the digest of a part's syntax tree and the dotted names that it imports, those relative with dots."""
    statements = _select(source, part) if part.function else _parse(source, part.path).body
    names = {name for statement in statements for node in ast.walk(statement) for name in _imported(node)}
    return hashlib.sha256(_dump(statements).encode()).hexdigest(), sorted(names)


@functools.lru_cache(maxsize=1)
def _parse(source: bytes, path: Path) -> ast.Module:
    """Return the syntax tree of a source without what means nothing when it runs."""
    try:
        tree = ast.parse(source, str(path))
    except (SyntaxError, ValueError) as error:
        where = f"{path}:{getattr(error, 'lineno', None) or 1}"
        raise ConfigError(where, f"is no Python ({getattr(error, 'msg', error)})", "Correct the file.") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):  # to which 3.12 adds empty texts
            node.values = [value for value in node.values if getattr(value, "value", None) != ""]
        for field in ("body", "orelse", "finalbody"):
            if isinstance(block := getattr(node, field, None), list):
                setattr(node, field, [kept for statement in block for kept in _strip(statement)])
    return tree


@functools.lru_cache(maxsize=1)
def _read_globals(source: bytes, path: Path) -> dict[str, set[str]]:
    """Return the global names that each function and class at the top of a source refers to."""
    try:
        table = symtable.symtable(decode_source(source), str(path), "exec")
    except SyntaxError as error:  # such as a nonlocal that nothing binds, which ast.parse accepts
        raise ConfigError(f"{path}:{error.lineno}", f"is no Python ({error.msg})", "Correct the file.") from error
    found: dict[str, set[str]] = {}
    for child in table.get_children():
        found.setdefault(child.get_name(), set()).update(_globals(child))
    return found


def _globals(table: symtable.SymbolTable) -> set[str]:
    """Return the global names that a scope and those within it refer to."""
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    return own.union(*map(_globals, table.get_children()))


def _strip(statement: ast.stmt) -> list[ast.stmt]:
    """Return what counts of a statement: nothing of a docstring, a version or a block that no import runs."""
    match statement:
        case ast.Expr(ast.Constant(str())) | ast.Assign([ast.Name("__version__")]):
            return []
        case ast.If(
            ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING") | ast.Compare(ast.Name("__name__"))
        ):
            return [kept for other in statement.orelse for kept in _strip(other)]
    return [statement]


def _select(source: bytes, part: Part) -> list[ast.stmt]:
    """Return the statements at the top of a module that a function of it refers to, in their order."""
    statements = [single for statement in _parse(source, part.path).body for single in _split(statement)]
    bound = [_bound(statement) for statement in statements]
    inner = _read_globals(source, part.path)
    if not any(part.function in names for names in bound):
        raise ConfigError(part.path, f"has no function {part.function}", "Define it there.")
    for index, names in enumerate(bound):
        if part.function in names and isinstance(statements[index], ast.FunctionDef | ast.AsyncFunctionDef):
            statements[index] = _undecorated(statements[index])
    wanted, kept = [part.function], set[int]()
    while wanted:
        name = wanted.pop()
        for index, statement in enumerate(statements):
            if index not in kept and not bound[index].isdisjoint({name, "*"}):
                kept.add(index)
                wanted += _used(statement, inner)
    return [statements[index] for index in sorted(kept)]


def _split(statement: ast.stmt) -> list[ast.stmt]:
    """Return an import of several names as one statement for each."""
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return [statement]
    singles: list[ast.stmt] = []
    for alias in statement.names:
        single = copy.copy(statement)
        single.names = [alias]
        singles.append(single)
    return singles


def _undecorated(function: Any) -> ast.stmt:
    """Return a function without its decorators: in `serflow.cli` they hold the help of the command line."""
    plain: ast.stmt = copy.copy(function)
    plain.decorator_list = []  # type: ignore[attr-defined]
    return plain


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that a statement at the top of a module binds or may change (``NAMES.append(...)``)."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    found: set[str] = set()
    for node in ast.walk(statement):
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                found.add(name)
            case ast.alias():
                found.add(node.asname or node.name.partition(".")[0])
            case (
                ast.Expr() | ast.Name(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store())
            ):
                found |= _names(node)
    return found


def _used(statement: ast.stmt, inner: dict[str, set[str]]) -> set[str]:
    """Return the names of its module that a statement may refer to; of a function not those of its local variables."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return _names(statement)
    outside: list[ast.AST] = [*statement.decorator_list]
    if isinstance(statement, ast.ClassDef):
        outside += [*statement.bases, *statement.keywords]
    for node in ast.walk(statement):
        match node:
            case ast.arguments():
                outside += [default for default in (*node.defaults, *node.kw_defaults) if default]
            case ast.arg(annotation=ast.AST() as annotation) | ast.AnnAssign(annotation=annotation):
                outside.append(annotation)
            case (
                ast.FunctionDef(returns=ast.AST() as annotation) | ast.AsyncFunctionDef(returns=ast.AST() as annotation)
            ):
                outside.append(annotation)
    return inner.get(statement.name, set()).union(*map(_names, outside))


def _names(node: ast.AST) -> set[str]:
    """Return all names in a syntax tree."""
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}


def _imported(node: ast.AST) -> Iterator[str]:
    """Yield the dotted names that an import statement may load: ``from ..a import b`` gives ``..a.b``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (f"{node.module}." if node.module else "")
        yield from (module + alias.name for alias in node.names)


def _dump(value: object) -> str:
    """Return a syntax tree as text, the same under each version of Python: fields that are empty are left out."""
    if isinstance(value, ast.AST):
        fields = [(name, getattr(value, name, None)) for name in value._fields if name not in SKIPPED]
        texts = [f"{name}={_dump(field)}" for name, field in fields if field is not None and field != []]
        return f"{type(value).__name__}({','.join(texts)})"
    if isinstance(value, list):
        return f"[{','.join(map(_dump, value))}]"
    return ascii(value)


SOURCES = Sources()
closure = SOURCES.closure
digest = SOURCES.digest
