import pytest

from serflow.errors import RunError
from serflow.scoring.scores import TYPES, Score, Scores


def score(**known):
    return Score(**{"paper": "p", "system": "net", "protocol": "published", "corpus": "toy", "metric": "WA"} | known)


ROWS = (
    score(part="test", value=0.5, low=0.25, high=0.75, n_runs=3, n_folds=1, n_speakers=8, n_utterances=48),
    score(part="test", value=None, epoch=7, published=0.9, table="007", note='not run: "a", b; c'),
    score(part="test", scope="speaker toy/08", value=1.0, n_runs=3),
    score(part="validation", metric="accuracy", epoch=2, published=0.6),
    score(part="validation", metric="accuracy", epoch=10, published=0.7),
    score(part="test", system="NA", missing="2 of 6 folds", note="not run: only 3 epochs"),
)


def test_what_is_written_is_read_with_real_numbers_and_texts_as_they_were(tmp_path):
    Scores(ROWS).write(tmp_path / "scores.csv")
    again = Scores.read(tmp_path / "scores.csv")
    assert again == Scores(ROWS)
    assert (tmp_path / "scores.csv").read_text().splitlines()[0] == ",".join(TYPES)
    assert list(Scores.read(tmp_path / "scores.csv", tmp_path / "scores.csv")) == [*ROWS, *ROWS]


def test_numbers_are_found_by_what_they_are_of():
    scores = Scores(ROWS)
    assert scores.find("toy", "net", "published", "WA") == ROWS[0]
    assert scores.find("toy", "net", "published", "WA", epoch=7) == ROWS[1]
    assert scores.find("toy", "net", "published", "UA") is None
    assert scores.speakers_of(ROWS[0]) == [ROWS[2]]
    assert list(scores.select(scope="all", part="validation")) == list(ROWS[3:5])


def test_the_last_printed_accuracy_stands_for_wa():
    assert Scores(ROWS).published_value("toy", "net", "WA", "validation") == (0.7, 10)
    end = score(part="validation", published=0.8)
    assert Scores((*ROWS, end)).published_value("toy", "net", "WA", "validation") == (0.8, None)
    assert Scores(ROWS).published_value("toy", "net", "UA", "validation") == (None, None)


def test_notes_tell_why_there_is_no_value():
    assert ROWS[1].reason == 'not run: "a", b; c'
    assert (ROWS[5].reason, ROWS[0].reason) == ("not run: only 3 epochs", "")


@pytest.mark.parametrize(
    ("text", "told"), [(",".join([*TYPES][1:]) + "\n" + "," * (len(TYPES) - 2) + "\n", "paper"), (None, "missing")]
)
def test_a_file_of_another_shape_is_named(text, told, tmp_path):
    path = tmp_path / "scores.csv"
    if text:
        path.write_text(text)
    with pytest.raises(RunError, match=rf"scores\.csv.*{told}"):
        Scores.read(path)


def test_a_cell_that_is_no_number_is_named(tmp_path):
    Scores(ROWS).write(tmp_path / "scores.csv")
    text = (tmp_path / "scores.csv").read_text()
    (tmp_path / "scores.csv").write_text(text.replace("0.25", "many"))
    with pytest.raises(RunError, match="many"):
        Scores.read(tmp_path / "scores.csv")
