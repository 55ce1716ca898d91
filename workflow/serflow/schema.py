"""Checks what a YAML file says against a typed model, and tells what is wrong in one sentence."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from serflow.errors import ConfigError
from serflow.kinds import suggest

#: What a JSON schema's type is called in an error.
TYPES = {
    **{"array": "a list in [ ]", "boolean": "true or false", "integer": "a whole number", "null": "null"},
    **{"number": "a number", "object": "a mapping of keys to values", "string": "text"},
}
#: What a JSON schema's limits are called.
LIMITS = {
    **{"minimum": "from {}", "exclusiveMinimum": "above {}", "exclusiveMaximum": "below {}", "maximum": "up to {}"},
    **{"minLength": "not empty", "minProperties": "{} or more keys"},
    **{"minItems": "{} or more entries", "maxItems": "{} or fewer entries"},
    **{"uniqueItems": "each only once", "pattern": "that fits {}"},
}


class Model(BaseModel):
    """A mapping of which every key is known and every value has its type: nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


M = TypeVar("M", bound=BaseModel)


def check(model: type[M], value: Any, where: str) -> M:
    """Return a value, as YAML gives it, as a model.

    Raises
    ------
    ConfigError
        Of the first key at fault: its place behind `where`, the value found and what is allowed.
    """
    check_plain(value, where)
    try:
        return model.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise _fault(error, model, value, where) from None


def check_plain(value: Any, where: str, path: tuple[Any, ...] = ()) -> None:
    """Raise a ConfigError at a value that YAML knows and JSON does not: a date, infinity, not-a-number."""
    if isinstance(value, Mapping | list):
        for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            if not isinstance(key, str | int):
                raise ConfigError(place_of(where, path), f"key {key} is not allowed", "Put it in quotes.")
            check_plain(part, where, (*path, key))
    elif not isinstance(value, str | int | float | None) or (isinstance(value, float) and not math.isfinite(value)):
        remedy = "Allowed: finite numbers, text (dates in quotes), true, false, null."
        raise ConfigError(place_of(where, path), f"{value} is not allowed", remedy)


def place_of(where: str, path: Iterable[Any]) -> str:
    """Return e.g. ``config.yaml: seeds.random``."""
    name = ".".join(map(str, path))
    return ": ".join(filter(None, [where, name]))


def hide_credentials(text: str) -> str:
    """Return a text without what stands before its last ``@``: in an address, user name and password."""
    return f"***@{text.rpartition('@')[2]}" if "@" in text else text


def _fault(error: ValidationError, model: type[BaseModel], value: Any, where: str) -> ConfigError:
    """Return the fault that says most: an unknown key before a missing one, both before a wrong value.

    Of wrong values the innermost: where a key allows a list or a mapping, a mapping at fault is no list either.
    """

    def rank(one: Any) -> tuple[int, int]:
        known = one["type"] in _ORDER
        return _ORDER.get(one["type"], 2), 0 if known else -len(_real_path(one, value))

    first: Any = min(error.errors(include_url=False), key=rank)
    path, schema = _real_path(first, value), model.model_json_schema()
    if first["type"] in UNKNOWN:
        allowed = sorted(_schema_at(schema, path[:-1], value).get("properties", {}))
        return ConfigError(place_of(where, path[:-1]), f"unknown key {path[-1]!r}", suggest(path[-1], allowed))
    if first["type"] == "missing":
        return _missing(schema, path, value, where)
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, ConfigError):  # of a check of our own
        return ConfigError(place_of(where, [*path, *filter(None, [inner.where])]), inner.fault, inner.remedy)
    found = first["input"]
    shown = hide_credentials(json.dumps(found) if found is None or isinstance(found, bool) else repr(found))
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
    of_key = first["loc"][-1:] == ("[key]",)
    wanted = {"type": "string", **first["ctx"]} if of_key else _schema_at(schema, path, value)
    hint = " YAML takes it for text: write a point, as in 1.0e-3, and no quotes." if _is_number(found, wanted) else ""
    return ConfigError(place_of(where, path), f"{shown} is not allowed", f"Allowed: {describe_allowed(wanted)}.{hint}")


#: What pydantic calls an unknown key of a model, and of a dataclass.
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_ORDER = {**dict.fromkeys(UNKNOWN, 0), "missing": 1}


def _missing(schema: Mapping[str, Any], path: Sequence[Any], value: Any, where: str) -> ConfigError:
    above, needed = path[:-1], _schema_at(schema, path[:-1], value).get("required", [])
    siblings = functools.reduce(lambda part, key: part[key], above[:-1], value) if above else {}
    others = sorted(set(map(str, siblings)) - {str(above[-1])}) if isinstance(siblings, Mapping) and above else []
    hint = suggest(above[-1], others).partition("Allowed:")[0] if others else ""
    return ConfigError(place_of(where, above), f"key {path[-1]!r} is missing", f"{hint}Needed: {', '.join(needed)}.")


def _real_path(error: Mapping[str, Any], value: Any) -> tuple[Any, ...]:
    """Return where an error is, without the names of a union's branches, which pydantic puts among the keys."""
    *above, last = error["loc"] or (None,)
    path: list[Any] = []
    for key in (*above, last):
        inside = (isinstance(value, Mapping) and key in value) or (
            isinstance(value, list) and isinstance(key, int) and key < len(value)
        )
        if inside:
            value = value[key]
        if inside or (key is last and error["type"] == "missing"):
            path.append(key)
    return tuple(path)


def _schema_at(root: Mapping[str, Any], path: Iterable[Any], value: Any) -> dict[str, Any]:
    """Return what a JSON schema says of the value at a path; of a union's branches the one that `value` chooses."""
    schema = _follow(root, dict(root), value)
    for key in path:
        value = value[key] if isinstance(value, Mapping | list) and (isinstance(key, int) or key in value) else None
        inside = ("items",) if isinstance(key, int) else ("properties", "patternProperties", "additionalProperties")
        branches = schema.get("anyOf", [schema])
        schema = next((branch for branch in branches if any(part in branch for part in inside)), {})
        named, others = schema.get("properties", {}), [*schema.get("patternProperties", {}).values()]
        choices = [schema.get("items") if inside == ("items",) else named.get(key), *others]
        part: Any = next(filter(None, [*choices, schema.get("additionalProperties")]), {})
        schema = _follow(root, part if isinstance(part, dict) else {}, value)
    return schema


def _follow(root: Mapping[str, Any], schema: dict[str, Any], value: Any) -> dict[str, Any]:
    """Return a schema with its reference followed; of alternatives those whose type the value has, if one alone has."""
    if "$ref" in schema:
        return _follow(root, root["$defs"][schema["$ref"].rpartition("/")[2]], value)
    if "discriminator" in schema and isinstance(value, Mapping):
        chosen = schema["discriminator"]["mapping"].get(value.get(schema["discriminator"]["propertyName"]))
        return _follow(root, {"$ref": chosen}, value) if chosen else schema
    if "anyOf" in schema:
        branches = [_follow(root, branch, value) for branch in schema["anyOf"]]
        kind = "object" if isinstance(value, Mapping) else "array" if isinstance(value, list) else ""
        fitting = [branch for branch in branches if branch.get("type") == kind]
        return fitting[0] if len(fitting) == 1 and kind == "object" else {**schema, "anyOf": branches}
    return schema


def describe_allowed(schema: Mapping[str, Any]) -> str:
    """Return what a schema's rules for one value allow, in words."""
    if "anyOf" in schema:
        branches = sorted(schema["anyOf"], key=lambda branch: branch.get("type") == "null")
        types = " or ".join(
            describe_allowed({k: v for k, v in branch.items() if k not in LIMITS}) for branch in branches
        )
        limits = [_limits(branch) for branch in branches]
        return ", ".join(filter(None, [types, *limits]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(value if isinstance(value, str) else json.dumps(value) for value in values)
    return ", ".join(filter(None, [TYPES.get(schema.get("type", ""), ""), _limits(schema)]))


def _limits(schema: Mapping[str, Any]) -> str:
    return ", ".join(text.format(_short(schema[key])) for key, text in LIMITS.items() if key in schema)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_number(found: Any, schema: Mapping[str, Any]) -> bool:
    """Return whether a text was meant as the number that is wanted."""
    types = {branch.get("type") for branch in schema.get("anyOf", [schema])}
    if not isinstance(found, str) or not types & {"number", "integer"}:
        return False
    try:
        return math.isfinite(float(found))
    except ValueError:
        return False
