import numpy as np
import pytest

from serflow.figures.studies import draw_study, plot_study
from serflow.scoring.frames import make_frame, write_frame
from serflow.scoring.studies import TYPES

STUDIES = {"layers": {"title": "1-3 layers", "said": "two are best", "systems": ["d", "e"]}}


def row(system, *, corpus="ravdess", protocol="published", wa=None, ua=None, spread=None, note=""):
    known = {
        "part": "test",
        "corpus": corpus,
        "protocol": protocol,
        "system": system,
        "title": f"Net of {system} layers",
        "note": note,
    }
    for metric, value in (("WA", wa), ("UA", ua)):
        known[metric] = value
        if spread:
            known |= {f"{metric}_low": value - spread, f"{metric}_high": value + spread}
    return known


def frame(rows):
    texts = {name: "" for name, kind in TYPES.items() if kind == "str"}
    return make_frame([texts | one for one in rows], TYPES)


ROWS = [
    row("one", wa=0.6, ua=0.5, spread=0.05),
    row("two", wa=0.625, ua=0.55, spread=0.04),
    row("three", note="partly; not run: no run was made; rest"),
    row("one", corpus="savee", protocol="speaker_independent", wa=0.4, ua=0.3),
    row("one", corpus="savee", wa=0.45, ua=0.35),
    row("two", corpus="savee", wa=0.5, ua=0.4),
]


def drawn(axes):
    """Points as (x, row), and dashed lines as (x, from, to)."""
    points = [(round(float(x), 6), round(float(y))) for c in axes.collections for x, y in c.get_offsets()]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    return points, [(line.get_xdata()[0], *line.get_ydata()) for line in dashed]


@pytest.mark.parametrize(("panel", "metric"), [(0, "WA"), (1, "UA")])
def test_points_intervals_and_the_first_systems_value_are_where_the_table_has_them(panel, metric, make_record):
    axes = draw_study(frame(ROWS), make_record().paper, "title").axes[panel]
    points, references = drawn(axes)
    lines = {("ravdess", "one"): 0, ("ravdess", "two"): 1, ("savee", "one"): 3, ("savee", "two"): 4}
    expected = [(100 * r[metric], lines[r["corpus"], r["system"]]) for r in ROWS if r[metric]]
    np.testing.assert_allclose(sorted(points), sorted(expected))
    bars = sorted(tuple(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 2.4)
    wanted = sorted((100 * r[f"{metric}_low"], 100 * r[f"{metric}_high"]) for r in ROWS if f"{metric}_low" in r)
    np.testing.assert_allclose(bars, wanted)
    first = [
        (100 * r[metric], *((-0.5, 2.5) if r["corpus"] == "ravdess" else (2.5, 4.5)))
        for r in ROWS
        if r["system"] == "one"
    ]
    np.testing.assert_allclose(sorted(references), sorted(first))
    low, high = axes.get_xlim()
    assert all(low < x < high for x, _ in points)
    assert [text.get_text() for text in axes.texts if "not run" in text.get_text()] == ["not run: no run was made"]


def test_a_study_is_drawn_from_its_csv_alone(tmp_path, make_record, texts_of, assert_whole):
    rows = [*ROWS, row("one", corpus="absent", note="not run: ABSENT is not configured")]
    write_frame(tmp_path / "layers.csv", frame(rows))
    plot_study(make_record(studies=STUDIES, synthetic=True), "layers", tmp_path / "layers.csv", tmp_path / "figure")
    text = " ".join(texts_of(tmp_path / "figure"))
    for part in ("SYNTHETIC", "1-3 layers", "not run: absent", "62.5"):
        assert part in text
    assert "ABSENT" not in text
    assert_whole(tmp_path / "figure")


def test_a_study_of_which_nothing_was_run_says_so(tmp_path, make_record, texts_of):
    write_frame(tmp_path / "layers.csv", frame([row("one", note="not run: TOY is not configured")]))
    plot_study(make_record(studies=STUDIES), "layers", tmp_path / "layers.csv", tmp_path / "figure")
    assert "not run: TOY is not configured" in " ".join(texts_of(tmp_path / "figure"))
