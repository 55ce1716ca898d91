import pytest

from serflow.figures.overview import draw_overview, plot_overview
from serflow.figures.style import save
from serflow.papers.names import ROLES
from serflow.scoring.results import SAME, Cell, Result, write_results


def result(*, cells=None, corpus="ravdess", metric="UA", published=0.9, verdict="not reproduced", **known):
    found = dict.fromkeys(ROLES, Cell()) | (cells or {})
    return Result("toypaper", corpus, "net", "Net", metric, "test", None, published, found, verdict=verdict, **known)


def test_there_is_a_row_per_system_with_its_values_and_verdict(tmp_path, texts_of, assert_whole):
    cells = {
        "published": Cell("published", 0.308, 0.28, 0.35),
        "unseen": Cell("speaker_independent", 0.336),
        "leak": Cell("augment_then_split", 0.95),
    }
    absent = {"verdict": "cannot be compared", "reason": "not run: SAVEE is not configured", "synthetic": True}
    results = [result(cells=cells), result(metric="macro_F1", published=0.11), result(corpus="savee", **absent)]
    write_results(results, tmp_path / "comparison.csv")
    plot_overview(tmp_path / "comparison.csv", tmp_path / "figure")
    texts = texts_of(tmp_path / "figure")
    for number, times in (("90.0", 2), ("30.8", 1), ("33.6", 1), ("95.0", 1), ("11.0", 0)):
        assert texts.count(number) == times, number
    whole = " ".join(texts)
    for expected in ("not reproduced", "toypaper on SAVEE, UA (test)", "ours, unseen speakers", "SYNTHETIC"):
        assert expected in whole
    assert_whole(tmp_path / "figure")


def test_a_system_without_a_published_number_has_no_point_for_it(tmp_path, texts_of, assert_whole):
    cells = {"unseen": Cell("speaker_independent", 0.442)}
    figure = draw_overview([result(published=None, cells=cells, verdict="no published number", chance_uniform=0.25)])
    save(figure, tmp_path / "figure", synthetic=False)
    texts = texts_of(tmp_path / "figure")
    assert "44.2" in texts
    assert "published" not in texts
    assert "no published number" in " ".join(texts)
    assert_whole(tmp_path / "figure")


def values(figure):
    return [float(x) for c in figure.axes[0].collections for x, _ in c.get_offsets()]


def test_a_row_has_room_for_the_points_that_there_are():
    leak = {"leak": Cell("leak", 0.9), "control": Cell("control", 0.5)}
    few = draw_overview([result(cells=leak)])
    many = draw_overview([result(cells=dict.fromkeys(ROLES, Cell("any", 0.5)))])
    assert values(few) == [90, 90, 50]
    assert values(many) == [90, *[50] * len(ROLES)]
    assert many.get_figheight() > few.get_figheight()


def test_a_paper_that_is_speaker_independent_has_its_point_among_those_on_unseen_speakers():
    cells = {"published": Cell("speaker_independent", 0.6), "unseen": Cell(note=SAME)}
    assert values(draw_overview([result(cells=cells)])) == [90, 60, 60]


def test_the_leaks_original_recordings_stand_beside_all_its_items_with_what_is_missing(
    tmp_path, texts_of, assert_whole
):
    """Its control is to be compared with them."""
    leak = Cell(
        "leak", 0.615, 0.57, 0.66, originals=0.709, originals_low=0.65, originals_high=0.76, missing="1 of 3 seeds"
    )
    control = Cell("control", 0.634, note="4 emotions", missing="2 of 3 seeds")
    figure = draw_overview([result(cells={"leak": leak, "control": control})])
    assert values(figure) == [90, 61.5, pytest.approx(70.9), 63.4]
    save(figure, tmp_path / "figure", synthetic=False)
    told = {"61.5 (1 of 3 seeds)", "70.9 (1 of 3 seeds)", "63.4 (4 emotions; 2 of 3 seeds)"}
    assert told <= set(texts_of(tmp_path / "figure"))
    assert "ours, with the leak, original" in " ".join(texts_of(tmp_path / "figure"))
    assert_whole(tmp_path / "figure")


def test_systems_that_were_not_run_stand_below_the_others():
    measured = result(cells={"unseen": Cell("speaker_independent", 0.6)})
    assert values(draw_overview([result(corpus="savee", published=0.2), measured])) == [90, 60, 20]
