"""The figure and the table of single speakers."""

from serflow.figures.speakers import draw_speakers, plot_speakers
from serflow.scoring.scores import Score, Scores
from serflow.tables.speakers import speaker_table

VALUES = {"01": 0.25, "02": 0.5, "03": 1.0, "04": 0.75}


def rows(protocol="speaker_independent"):
    known = {"part": "test", "metric": "WA", "n_runs": 1}
    return [
        Score("toypaper", "d", protocol, "ravdess", scope=f"speaker ravdess/{name}", value=value, **known)
        for name, value in VALUES.items()
    ]


def test_each_speaker_is_a_dot_and_the_worst_and_the_best_are_named(make_record, tmp_path, texts_of, assert_whole):
    scores = Scores(tuple(rows()))
    (points,) = draw_speakers(make_record(), scores).axes[0].collections
    assert sorted(float(x) for x, _ in points.get_offsets()) == [25, 50, 75, 100]
    scores.write(tmp_path / "scores.csv")
    plot_speakers(make_record(synthetic=True), Scores.read(tmp_path / "scores.csv"), tmp_path / "figure")
    texts = texts_of(tmp_path / "figure")
    assert {"01", "03"} <= set(texts)
    assert not {"02", "04"} & set(texts)
    assert_whole(tmp_path / "figure")


def test_the_table_names_worst_median_and_best_and_its_csv_has_all(make_record):
    table = speaker_table(make_record(), Scores(tuple(rows())))
    assert table.rows == [["ravdess", "(d) plain", "unseen speakers", "4", "01: 25.0", "62.5", "03: 100.0"]]
    assert table.data["value"].tolist() == list(VALUES.values())
