"""The job that draws all figures of a paper's runs."""

from serflow.figures.paper import plot_paper
from serflow.io.files import read_csv
from serflow.scoring.scores import Score, Scores

FOUND = [("u1", "test", "neutral", "neutral"), ("u2", "test", "neutral", "happy"), ("u3", "test", "happy", "happy")]


def test_each_system_and_protocol_has_its_matrix_and_epochs_their_curves(make_record, make_run, tmp_path):
    runs = [
        make_run(FOUND),
        make_run(FOUND, seed=1),
        make_run(FOUND[:1], protocol="speaker_independent"),
        make_run(FOUND, system="e", epochs=0),
    ]
    score = Score("toypaper", "d", "published", "ravdess", "test", "WA", value=0.5)
    Scores([score]).write(tmp_path / "scores.csv")
    plot_paper(make_record(), tmp_path / "scores.csv", runs, tmp_path / "figures", tmp_path / "matrices")
    drawn = {str(path.relative_to(tmp_path / "figures")) for path in (tmp_path / "figures").rglob("*.png")}
    assert drawn == {
        "comparison.png",
        "speakers.png",
        "ravdess/d/curves.png",
        "ravdess/d/published/confusion.png",
        "ravdess/d/speaker_independent/confusion.png",
        "ravdess/e/published/confusion.png",
    }
    both_seeds = read_csv(tmp_path / "matrices/ravdess/d/published.csv")
    assert next(row for row in both_seeds if row["truth"] == "neutral") == {
        "truth": "neutral",
        **{label: "2" if label in ("neutral", "happy") else "0" for label in list(both_seeds[0])[1:]},
    }
