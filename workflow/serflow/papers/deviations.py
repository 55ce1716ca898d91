"""Where a paper as run departs from its file, found in what can affect a result: titles and notes are no deviation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from serflow.items import members_of
from serflow.papers.load import Plain
from serflow.papers.model import System
from serflow.runs import Group

#: Where a deviation is (the path of keys), and a sentence.
Deviation = tuple[tuple[str, ...], str]
#: Keys that show a system or protocol and change nothing that is computed.
PRESENTATION = {"title", "study", "role"}


def find_deviations(original: Plain, effective: Plain) -> list[Deviation]:
    """Return where a paper as run (`effective`, derived) departs from its file (`original`, derived)."""
    before, after = _leaves_of(original), _leaves_of(effective)
    changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
    added = [name for name in effective["systems"] if name not in original["systems"]]
    result: list[Deviation] = [(("systems", name), f"system {name}: not in the paper") for name in added]
    for path in changed:
        if path[0] != "systems" or path[1] not in added:
            name = ".".join(path[2:] if path[0] == "systems" else path)
            result.append((path, f"{name}: {_show(after.get(path))} instead of {_show(before.get(path))}"))
    return result


def list_changes(before: Plain, after: Plain) -> list[str]:
    """Return what changed from one mapping of options to another, e.g. "training.epochs: 2 instead of 50"."""
    old, new = dict(_leaves(before, ())), dict(_leaves(after, ()))
    return [
        f"{'.'.join(path)}: {_show(new.get(path))} instead of {_show(old.get(path))}"
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]


def _show(value: Any) -> str:
    """Return a value as text; of the digest of weights as many digits as their file's name has."""
    return re.sub(r"^(sha256:[0-9a-f]{8})[0-9a-f]+$", r"other weights (\1)", str(value))


def select_deviations(found: list[Deviation], group: Group, systems: Mapping[str, System]) -> list[str]:
    """Return the deviations that touch the runs of (corpus, system, protocol), parts of a combined system included."""
    corpus, name, protocol = group
    parts = [name, *systems[name].parts]
    scope: dict[str, list[str | None]] = {
        "systems": list(parts),
        "recipes": [systems[part].recipe for part in parts],
        "protocols": [protocol],
        "corpora": [corpus],
        "select": list(members_of(corpus)),
    }
    texts = (text for path, text in found if path[0] not in scope or len(path) == 1 or path[1] in scope[path[0]])
    return list(dict.fromkeys(texts))


def _leaves_of(content: Plain) -> dict[tuple[str, ...], Any]:
    """Return what can affect a result by its path of keys."""
    kept = {key: content.get(key, {}) for key in ("labels", "corpora", "select", "recipes")}
    for key in ("systems", "protocols"):
        kept[key] = {
            name: {option: value for option, value in entry.items() if option not in PRESENTATION}
            for name, entry in content[key].items()
        }
    return dict(_leaves(kept, ()))


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and (value or not path):
        for key, part in value.items():
            yield from _leaves(part, (*path, str(key)))
    else:
        yield path, value
