"""config.yaml: checked against its schema, defaults filled in. Errors name the key, its value and what is allowed."""

from __future__ import annotations

import copy
import difflib
import functools
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from serflow.errors import ConfigError

SCHEMAS = Path(__file__).parents[1] / "schemas"
#: Sources of a corpus that are no path.
KEYWORDS = ("download", "demo")
#: What a schema's type is called in an error.
TYPES = {
    **{"array": "a list in [ ]", "boolean": "true or false", "integer": "a whole number", "null": "null"},
    **{"number": "a number", "object": "a mapping of keys to values", "string": "text"},
}


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with every key, after checking it against ``schemas/config.schema.json``.

    Raises
    ------
    ConfigError
        If a key is unknown, a value is not allowed, or what a path names does not exist or cannot be what it should.
    """
    schema = read_schema("config")
    filled = fill_defaults(schema, schema, parse_scalars(dict(config)))
    validate(filled, schema, "config.yaml")
    _check_folders(filled)
    for name, corpus in filled["corpora"].items():
        if corpus["source"]:
            _check_source(name, corpus["source"])
    if filled["pretrained"] not in ("imagenet", "none") and not Path(filled["pretrained"]).is_file():
        fault = f"{filled['pretrained']!r} is no file"
        raise ConfigError("config.yaml: pretrained", fault, "Allowed: imagenet, none, or a weights file.")
    _check_noise(filled["noise"]["source"])
    _check_tracking(filled["tracking"]["uri"])
    return filled


def _check_source(name: str, source: str) -> None:
    """Raise a ConfigError unless a corpus can come from there: a keyword, an archive, or a folder with recordings."""
    key, path = f"config.yaml: corpora.{name}.source", Path(source)
    remedy = "Give an archive or folder, `demo`, or null to leave it out."
    if source == "download" and name != "ravdess":
        fault = "'download' is for RAVDESS alone; this corpus needs a licence"
        raise ConfigError(key, fault, "See resources/README.md.")
    if source in KEYWORDS:
        return
    from serflow.corpora.archive import is_archive
    from serflow.corpora.base import AUDIO_SUFFIXES

    try:
        if not path.exists():
            raise ConfigError(key, f"{source!r} does not exist", remedy)
        if path.is_dir() and not any(found.suffix.lower() in AUDIO_SUFFIXES for found in path.rglob("*")):
            raise ConfigError(key, f"{source!r} is a folder without a WAV or FLAC file", remedy)
        if not path.is_dir() and not is_archive(path):
            raise ConfigError(key, f"{source!r} is no whole zip, tar or tar.gz archive", remedy)
    except OSError as error:
        raise ConfigError(key, f"{source!r} cannot be read ({error.strerror})", "Check its permissions.") from error


def _check_noise(source: str | None) -> None:
    """Raise a ConfigError unless the folder of noises holds a recording."""
    if source is None:
        return
    from serflow.features.noise import SUFFIXES

    if not any(path.suffix.lower() in SUFFIXES for path in Path(source).glob("*")):
        fault = f"{source!r} is no folder with recordings"
        remedy = f"Allowed: a folder that holds some ({', '.join(SUFFIXES)}), or null for generated noises."
        raise ConfigError("config.yaml: noise.source", fault, remedy)


def _check_folders(config: Mapping[str, Any]) -> None:
    """Raise a ConfigError unless all paths suit Snakemake, results and resources are folders, and no two are one."""
    sources = {f"corpora.{name}.source": corpus["source"] for name, corpus in config["corpora"].items()}
    places = {name: config[name] for name in ("results", "resources")} | {"noise.source": config["noise"]["source"]}
    places |= {name: source for name, source in sources.items() if source not in KEYWORDS}
    taken: dict[Path, str] = {}
    for name, place in [*places.items(), ("pretrained", config["pretrained"])]:
        if place and re.search(r"^~|[{}]|<.*>", place):  # Snakemake replaces what stands in {} and <>
            remedy = "Write the path in full; it must be free of ~ at its start, of braces, and of <...>."
            raise ConfigError(f"config.yaml: {name}", f"{place!r} is not taken as a path", remedy)
    for name, place in places.items():
        if name in ("results", "resources") and Path(place).exists() and not Path(place).is_dir():
            remedy = "Name a folder; it is made where there is none."
            raise ConfigError(f"config.yaml: {name}", f"{place!r} is no folder", remedy)
        other = taken.setdefault(Path(place).resolve(), name) if place else name
        if other != name:
            raise ConfigError(f"config.yaml: {name}", f"{place!r} is {other} too", "Give each a place of its own.")


def _check_tracking(uri: str | None) -> None:
    """Raise a ConfigError unless the address is an SQLite file's or a server's, and has no credentials in it."""
    if uri is None:
        return
    if uri.startswith("sqlite:///") and uri != "sqlite:///":
        return
    key, shown = "config.yaml: tracking.uri", hide_credentials(uri.partition("?")[0])
    if "@" in uri or "?" in uri:
        fault = f"{shown!r} has more than the address in it, such as a user name, password or token"
        names = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN,"
        raise ConfigError(key, fault, f"Give the address alone, and set {names} in the environment.")
    try:
        parts = urlsplit(uri)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        known = False
    if not known:
        fault = f"{shown!r} is neither an SQLite file nor a tracking server"
        remedy = "Allowed: sqlite:///FILE, http://HOST:PORT, https://HOST, or null for a file in the results folder."
        raise ConfigError(key, fault, remedy)


def hide_credentials(text: str) -> str:
    """Return a text without what stands before its last ``@``: in an address, user name and password."""
    return f"***@{text.rpartition('@')[2]}" if "@" in text else text


def read_config(paths: Iterable[Path | str]) -> dict[str, Any]:
    """Return the configuration that YAML files give, later ones laid over earlier ones as Snakemake does, checked.

    Raises
    ------
    ConfigError
        If a file is missing or no mapping, or see `check_config`.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise ConfigError(path, "is no mapping of keys to values", "See config.yaml.")
        merged = overlay(merged, content)
    return check_config(merged)


def read_yaml(path: Path | str) -> Any:
    """Return what a YAML file holds.

    Raises
    ------
    ConfigError
        If it cannot be read, is not valid, or a mapping in it has a key twice: YAML would take the last one in silence.
    """
    import yaml

    try:
        loader = yaml.SafeLoader(Path(path).read_text(encoding="utf-8"))
        node = loader.get_single_node()
        _check_twins(node, path)
        return None if node is None else loader.construct_document(node)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"cannot be read ({error})", "Name a YAML file in UTF-8.") from error
    except yaml.YAMLError as error:
        raise ConfigError(path, f"is not valid YAML ({' '.join(str(error).split())})", "Correct the file.") from error


def _check_twins(node: Any, path: Path | str) -> None:
    """Raise a ConfigError at a key that stands twice in a mapping; `node` is what YAML composes, None for no text."""
    parts = node.value if node is not None and not isinstance(node.value, str) else []
    first: dict[str, int] = {}
    for key, _ in (part for part in parts if isinstance(part, tuple)):
        line = key.start_mark.line + 1
        if str(key.value) in first:
            fault = f"key {key.value!r} stands here and in line {first[str(key.value)]}"
            raise ConfigError(f"{path}: line {line}", fault, "Keep one of the two: the other would be lost.")
        first[str(key.value)] = line
    for part in parts:
        _check_twins(part[1] if isinstance(part, tuple) else part, path)


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

    _check_plain(value, where, ())
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is None:
        return
    path = list(error.absolute_path)
    place, rules = _place(where, path), error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties":
        allowed = sorted(rules.get("properties", {}))
        unknown = next(key for key in error.instance if key not in allowed)
        raise ConfigError(place, f"unknown key {unknown!r}", suggest(unknown, allowed))
    if error.validator == "required":
        missing = next(key for key in rules["required"] if key not in error.instance)
        siblings = functools.reduce(lambda part, key: part[key], path[:-1], value) if path else {}
        hint = _close(path[-1], set(siblings) - {path[-1]}) if isinstance(siblings, Mapping) and path else ""
        raise ConfigError(place, f"key {missing!r} is missing", f"{hint}Needed: {', '.join(rules['required'])}.")
    if error.validator == "oneOf":
        raise ConfigError(place, "has not exactly one of the sets of keys that go together", _allowed(rules))
    plain = error.instance is None or isinstance(error.instance, bool)
    shown = hide_credentials(json.dumps(error.instance) if plain else repr(error.instance))
    shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
    hint = " YAML takes it for text: write a point, as in 1.0e-3, and no quotes." if _looks_like_a_number(error) else ""
    raise ConfigError(place, f"{shown} is not allowed", _allowed(rules) + hint)


def _looks_like_a_number(error: Any) -> bool:
    if not isinstance(error.instance, str) or error.validator != "type":
        return False
    try:
        return math.isfinite(float(error.instance))
    except ValueError:
        return False


def suggest(name: object, allowed: Iterable[str]) -> str:
    """Return the sentence that says which names are allowed, the one first that was probably meant."""
    allowed = sorted(allowed)
    return f"{_close(name, allowed)}Allowed: {', '.join(allowed)}."


def _close(name: object, allowed: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), map(str, allowed), n=1)
    return f"Did you mean {close[0]!r}? " if close else ""


def _place(where: str, path: Iterable[Any]) -> str:
    name = ".".join(map(str, path))
    return f"{where}: {name}" if name else where


def _check_plain(value: Any, where: str, path: tuple[Any, ...]) -> None:
    """Raise a ConfigError at a value that YAML knows and JSON does not: a date, infinity, not-a-number."""
    if isinstance(value, Mapping | list):
        for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            _check_plain(part, where, (*path, key))
    elif not isinstance(value, str | int | float | None) or (isinstance(value, float) and not math.isfinite(value)):
        remedy = "Allowed: finite numbers, text (dates in quotes), true, false, null."
        raise ConfigError(_place(where, path), f"{value} is not allowed", remedy)


def _allowed(schema: Mapping[str, Any]) -> str:
    """Return the sentence that says what a schema's rules for one value allow."""
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Allowed: {', '.join(value if isinstance(value, str) else json.dumps(value) for value in values)}."
    if "oneOf" in schema:
        return f"Allowed: {', or '.join(' and '.join(keys['required']) for keys in schema['oneOf'])}."
    kinds = schema.get("type", [])
    words = [" or ".join(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))]
    texts = {
        **{
            "minimum": "from {}",
            "exclusiveMinimum": "above {}",
            "exclusiveMaximum": "below {}",
            "maximum": "up to {}",
            "minLength": "not empty",
        },
        **{"minItems": "{} or more entries", "minProperties": "{} or more keys"},
        **{"uniqueItems": "each only once", "pattern": "that fits {}"},
    }
    words += [text.format(schema[key]) for key, text in texts.items() if key in schema]
    return f"Allowed: {', '.join(filter(None, words))}."
