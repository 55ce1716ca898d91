import csv
from xml.etree import ElementTree

import numpy as np
import pytest

from serflow.figures.studies import plot_study, study
from serflow.tables.studies import COLUMNS

PAPER = {
    "title": "Toy paper",
    "protocols": {"published": {"title": "one session out"}, "both": {"title": "both sexes"}},
    "studies": {"layers": {"title": "1-3 layers", "said": "two are best", "systems": ["one", "two", "three"]}},
}


def row(system, *, corpus="toy", protocol="published", wa=None, ua=None, spread=None, **more):
    known = {"corpus": corpus, "protocol": protocol, "system": system, "title": f"Net of {system} layers"}
    for metric, value in (("WA", wa), ("UA", ua)):
        if value is not None:
            known[metric] = value
            if spread:
                known |= {f"{metric}_low": value - spread, f"{metric}_high": value + spread}
    return {key: str(value) for key, value in (dict.fromkeys(COLUMNS, "") | known | more).items()}


ROWS = [
    row("one", wa=0.6, ua=0.5, spread=0.05),
    row("two", wa=0.625, ua=0.55, spread=0.04),
    row("three", note="partly; not run: no run was made; rest"),
    row("one", corpus="other", protocol="both", wa=0.4, ua=0.3),
    row("one", corpus="other", wa=0.45, ua=0.35),
    row("two", corpus="other", wa=0.5, ua=0.4),
]


def drawn(axes):
    """Points as (x, row), and dashed lines as (x, from, to)."""
    points = [(round(float(x), 6), round(float(y))) for c in axes.collections for x, y in c.get_offsets()]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    return points, [(line.get_xdata()[0], *line.get_ydata()) for line in dashed]


@pytest.mark.parametrize(("panel", "metric"), [(0, "WA"), (1, "UA")])
def test_points_intervals_and_the_first_systems_value_are_where_the_table_has_them(panel, metric):
    figure = study(ROWS, PAPER, "title")
    axes = figure.axes[panel]
    points, references = drawn(axes)
    lines = {("toy", "one"): 0, ("toy", "two"): 1, ("other", "one"): 3, ("other", "two"): 4}
    expected = [(100 * float(r[metric]), lines[r["corpus"], r["system"]]) for r in ROWS if r[metric]]
    np.testing.assert_allclose(sorted(points), sorted(expected))
    bars = {tuple(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 2.4}
    wanted = {(100 * float(r[f"{metric}_low"]), 100 * float(r[f"{metric}_high"])) for r in ROWS if r[f"{metric}_low"]}
    assert bars == wanted
    first = {
        (100 * float(r[metric]), *((-0.5, 2.5) if r["corpus"] == "toy" else (2.5, 4.5)))
        for r in ROWS
        if r["system"] == "one"
    }
    assert set(references) == first
    low, high = axes.get_xlim()
    assert all(low < x < high for x, _ in points)
    assert [text.get_text() for text in axes.texts if "not run" in text.get_text()] == ["not run: no run was made"]


def test_a_study_is_saved_from_its_csv_alone(tmp_path):
    source = tmp_path / "layers.csv"
    rows = [*ROWS, row("one", corpus="absent", note="not run: ABSENT is not configured")]
    with source.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    plot_study(PAPER, "layers", source, tmp_path / "figure", synthetic=True)
    text = " ".join(ElementTree.parse(tmp_path / "figure.svg").getroot().itertext())  # noqa: S314
    for part in ("SYNTHETIC demo corpus. Toy paper: 1-3 layers", "The paper: two are best", "Not run: absent", "62.5"):
        assert part in text
    assert "ABSENT" not in text
    assert (tmp_path / "figure.png").stat().st_size > 0


def test_a_study_of_which_nothing_was_run_says_so(tmp_path):
    source = tmp_path / "layers.csv"
    with source.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows([row("one", note="not run: TOY is not configured")])
    plot_study(PAPER, "layers", source, tmp_path / "figure", synthetic=False)
    assert "not run: TOY is not configured" in (tmp_path / "figure.svg").read_text()
