"""config.yaml: checked against its schema, defaults filled in. Errors name the key, its value and what is allowed."""

from __future__ import annotations

import copy
import difflib
import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from serflow.errors import ConfigError

SCHEMAS = Path(__file__).parents[1] / "schemas"
#: Sources of a corpus that are no path.
KEYWORDS = ("download", "demo")


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with every key, after checking it against ``schemas/config.schema.json``.

    Raises
    ------
    ConfigError
        If a key is unknown, a value is not allowed, or a corpus's source does not exist.
    """
    schema = read_schema("config")
    filled = fill_defaults(schema, schema, parse_scalars(dict(config)))
    validate(filled, schema, "config.yaml")
    for name, corpus in filled["corpora"].items():
        source = corpus["source"]
        key = f"config.yaml: corpora.{name}.source"
        if source == "download" and name != "ravdess":
            raise ConfigError(
                key, "'download' is for RAVDESS alone; this corpus needs a licence", "See resources/README.md."
            )
        if source and source not in KEYWORDS and not Path(source).exists():
            raise ConfigError(
                key, f"{source!r} does not exist", "Give an archive or folder, `demo`, or null to leave it out."
            )
    if filled["pretrained"] not in ("imagenet", "none") and not Path(filled["pretrained"]).is_file():
        fault = f"{filled['pretrained']!r} is no file"
        raise ConfigError("config.yaml: pretrained", fault, "Allowed: imagenet, none, or a weights file.")
    return filled


def read_config(paths: Iterable[Path | str]) -> dict[str, Any]:
    """Return the configuration that YAML files give, later ones laid over earlier ones as Snakemake does, checked.

    Raises
    ------
    ConfigError
        If a file is missing or no mapping, or see `check_config`.
    """
    import yaml

    merged: dict[str, Any] = {}
    for path in paths:
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(path, f"cannot be read ({' '.join(str(error).split())})", "Name a YAML file.") from error
        if not isinstance(content, dict):
            raise ConfigError(path, "is no mapping of keys to values", "See config.yaml.")
        merged = overlay(merged, content)
    return check_config(merged)


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `base` with `changes` laid over it, mapping by mapping."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = overlay(result[key], value) if nested else copy.deepcopy(value)
    return result


def parse_scalars(value: Any) -> Any:
    """Return a copy of `value` with strings such as ``"1"`` or ``"null"`` parsed: Snakemake's --config leaves them."""
    import yaml

    if isinstance(value, Mapping):
        return {str(key): parse_scalars(part) for key, part in value.items()}
    if isinstance(value, list):
        return [parse_scalars(part) for part in value]
    if not isinstance(value, str):
        return value
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    return parsed if parsed is None or isinstance(parsed, bool | int | float) else value


@functools.cache
def read_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema ``schemas/{name}.schema.json``."""
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))


def fill_defaults(schema: Mapping[str, Any], root: Mapping[str, Any], value: Any) -> Any:
    """Fill missing keys of `value` in place with the schema's defaults, nested ones too."""
    if not isinstance(value, dict):
        return value
    for key, part in schema.get("properties", {}).items():
        target = root["$defs"][part["$ref"].rpartition("/")[2]] | part if "$ref" in part else part
        if key not in value and "default" in target:
            value[key] = copy.deepcopy(target["default"])
        if key in value:
            fill_defaults(target, root, value[key])
    return value


def validate(value: Any, schema: Mapping[str, Any], where: str) -> None:
    """Raise a ConfigError that names the first key at fault, its value and what is allowed."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is None:
        return
    path = ".".join(map(str, error.absolute_path))
    place = f"{where}: {path}" if path else where
    if error.validator == "additionalProperties" and isinstance(error.schema, dict):
        allowed = sorted(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in allowed)
        close = difflib.get_close_matches(str(unknown), allowed, n=1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise ConfigError(place, f"unknown key {unknown!r}", f"{hint}Allowed: {', '.join(allowed)}.")
    raise ConfigError(place, error.message, _allowed(error.schema))


def _allowed(schema: Any) -> str:
    rules = {
        key: schema[key] for key in ("enum", "type", "minimum", "minItems", "uniqueItems", "pattern") if key in schema
    }
    return "Allowed: " + "; ".join(f"{key} {json.dumps(rule)}" for key, rule in rules.items()) + "."
