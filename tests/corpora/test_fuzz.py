"""Names and annotations that nobody thought of: a parser gives a right row or its own error, and nothing else.

``SERFLOW_FUZZ=20000 pytest tests/corpora/test_fuzz.py`` tries that many examples of each kind instead of 60.
"""

import json
import math
import os
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from serflow.corpora import load
from serflow.corpora.known import iemocap
from serflow.corpora.manifest import COLUMNS
from serflow.corpora.row import ManifestRow
from serflow.errors import CorpusError

fuzz = settings(
    max_examples=int(os.environ.get("SERFLOW_FUZZ", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

VALID = {
    "ravdess": ["Actor_12/03-01-06-01-02-01-12.wav", "03-01-01-01-01-01-01.FLAC"],
    "savee": ["AudioData/DC/sa07.wav", "KL_n30.flac", "DC/DC_a01.wav"],
    "iemocap": ["Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M003.wav", "Ses05M_script01_1b_F012.wav"],
}
#: What breaks parsers: line ends, NUL, separators, digits that are not ASCII, signs, a bidirectional mark, an emoji.
NASTY = ["\0", "\n", "\r\n", "/", "\\", "..", "٣", "３", "²", "-", "_", ".", " ", "\t", "\u2028", "\u202e", "😀", "é"]  # noqa: RUF001
NASTY += ["9" * 400, "1e308", "nan", "inf", "-0", "0x1", "[", "]", ",", ";", ":", "%", '"', "\ufeff", "\x85", "\x1c"]
nasty = st.sampled_from(NASTY) | st.characters() | st.characters(codec="ascii") | st.text(max_size=5)


@st.composite
def mutated(draw, texts):
    """One of some texts after up to four insertions, deletions, replacements, swaps and repetitions."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(0, 4))):
        start, stop = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        kind = draw(st.sampled_from(["insert", "delete", "replace", "swap", "repeat"]))
        part, one = text[start:stop], text[start : start + 1]
        middle = {"insert": draw(nasty) + part, "delete": "", "repeat": 2 * part, "swap": part[1:] + part[:1]}
        if kind == "replace":
            text = text[:start] + draw(nasty) + text[start + len(one) :]
        else:
            text = text[:start] + middle[kind] + text[stop:]
    return text


def check_name(corpus, path):
    """A name gives a row that a manifest takes and that says what the name says, or a CorpusError that names it."""
    module = load(corpus)
    try:
        row = module.parse(path)
    except CorpusError as error:
        assert error.where == path
        assert error.fault
        assert error.remedy
        return
    assert tuple(row) == COLUMNS
    assert all(isinstance(value, str) for value in row.values())
    expected = module.expected_utterances()
    assert row["utterance"] in (expected or path)
    assert row["path"] == path
    assert row["speaker"] in module.EXPECTED.speakers
    assert re.fullmatch(r"[A-Za-z0-9_-]+", row["utterance"], re.ASCII)
    facts = {"corpus": corpus, "sample_rate": "16000", "samples": "1", "sha1": "0" * 40}
    # What IEMOCAP's names do not say stands in its annotations
    annotation = {"emotion": "neutral", "native_label": "neu", "start": "0", "end": "1", "votes": "{}"}
    annotation |= dict.fromkeys(("valence", "activation", "dominance"), "2.5")
    full = row | facts | (annotation if corpus == "iemocap" else {})
    try:
        ManifestRow.model_validate(full)
    except ValidationError as error:
        faults = {fault["loc"] for fault in error.errors()}
        assert faults == {("path",)}, faults  # a path that no tree has, such as one with a line end


@pytest.mark.parametrize("corpus", VALID)
def test_any_text_is_a_row_or_the_parsers_own_error(corpus):
    @fuzz
    @given(st.text() | st.text(alphabet="0123456789-_/.waflcSesFMDCE").map("{}.wav".format))
    def check(path):
        check_name(corpus, path)

    check()


@pytest.mark.parametrize("corpus", VALID)
def test_any_change_of_a_name_is_a_row_or_the_parsers_own_error(corpus):
    @fuzz
    @given(mutated(VALID[corpus]))
    def check(path):
        check_name(corpus, path)

    check()


TURN = """[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E4:\tAnger; Frustration;\t(tense; even hostile)
A-E3:\tval 3; act 2; dom  2;\t()
A-F1:\tval 3; act ; dom  1;\t()
"""
OTHER = TURN.replace("F000", "M001").replace("neu", "xxx")
FILES = [
    f"% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n{TURN}\n{OTHER}",
    TURN.replace("\n", "\r\n"),
    TURN + TURN,
    TURN.replace("\tneu", ""),
    OTHER.replace("- 8.2357", ""),
]


def check_annotations(text):
    try:
        turns = iemocap.parse_evaluation(text, "x.txt")
    except CorpusError as error:
        assert re.match(r"x\.txt: line [0-9]+$", error.where)
        assert error.remedy
        return
    for turn, annotation in turns.items():
        assert check_turn(turn)
        assert annotation["emotion"] == iemocap.EMOTIONS[annotation["native_label"]]
        assert 0 <= float(annotation["start"]) < float(annotation["end"]) < math.inf
        for name in ("valence", "activation", "dominance"):
            assert math.isfinite(float(annotation[name]))
            assert annotation[name].isascii()
        votes = json.loads(annotation["votes"])
        assert json.loads(json.dumps(votes, allow_nan=False)) == votes
        assert all(rater.startswith(("C-", "A-")) for rater in votes)


def check_turn(turn):
    return iemocap.parse(f"{turn}.wav")["utterance"] == turn


@fuzz
@given(st.text() | st.lists(st.sampled_from(TURN.splitlines()) | st.text(max_size=30), max_size=9).map("\n".join))
def test_any_text_is_annotations_or_the_parsers_own_error(text):
    check_annotations(text)


@fuzz
@given(st.text() | mutated(["Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me, don't.\n" * 2]))
def test_any_transcript_gives_words(text):
    for words in iemocap.parse_transcript(text).values():
        assert words == " ".join(words.split())
        assert all(letter.isalnum() or letter in " _" for letter in words)


@fuzz
@given(mutated(FILES))
@example(FILES[2])
@example(TURN.replace("8.2357", "9" * 400))
@example(TURN.replace("val 3", "val " + "9" * 400))
@example(TURN.replace("2.5000]", "9" * 400 + "]"))
@example(TURN.replace("8.2357", "٨.٢"))
@example(TURN.replace("F000", "F00\0"))
def test_any_change_of_an_annotation_file_is_annotations_or_the_parsers_own_error(text):
    check_annotations(text)
