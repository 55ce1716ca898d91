"""docs/reliability.md: what it promises is kept by tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_names_a_test_that_exists():
    rows = [line for line in (ROOT / "docs/reliability.md").read_text().splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| fault |")]
    named = [re.findall(r"`([\w/]+\.py)::(\w+)`", row) for row in promises]
    assert len(promises) > 80
    assert [row for row, tests in zip(promises, named, strict=True) if not tests] == []
    missing = [
        f"{path}::{name}"
        for tests in named
        for path, name in tests
        if f"def {name}(" not in (ROOT / "tests" / path).read_text()
    ]
    assert missing == []
