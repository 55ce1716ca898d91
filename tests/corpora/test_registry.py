import subprocess
import sys

import pytest

from serflow import corpora
from serflow.corpora import registry
from serflow.errors import ConfigError
from serflow.labels import EMOTIONS


def test_a_union_names_its_members_in_order() -> None:
    assert registry.members("savee") == ("savee",)
    assert registry.members("ravdess+savee") == ("ravdess", "savee")


@pytest.mark.parametrize("name", ["", "crema", "ravdess+", "ravdess+crema", "savee+savee"])
def test_members_refuses_what_is_no_union_of_corpora(name: str) -> None:
    with pytest.raises(ConfigError):
        registry.members(name)


@pytest.mark.parametrize("name", ["crema", "demo", "../ravdess", "ravdess+savee"])
def test_load_names_the_allowed_corpora(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        corpora.load(name)
    assert all(known in caught.value.remedy for known in corpora.CORPORA)


@pytest.mark.parametrize("name", corpora.CORPORA)
def test_every_corpus_maps_into_the_vocabulary_and_tests_each_speaker_once(name: str) -> None:
    module = corpora.load(name)
    assert set(module.EMOTIONS.values()) == set(module.EXPECTED.classes) <= set(EMOTIONS)
    tested = [speaker for fold in module.SPEAKER_FOLDS for speaker in fold]
    assert sorted(tested) == sorted(module.EXPECTED.speakers)
    for expected in (module.EXPECTED, *(part.expected for part in module.SELECTIONS)):
        assert sum(expected.classes.values()) == expected.utterances
        counts = [count for count in expected.speakers.values() if count is not None]
        assert not counts or sum(counts) == expected.utterances


@pytest.mark.parametrize("name", ["ravdess", "savee"])
def test_every_published_name_parses_to_itself_and_gives_the_published_counts(name: str) -> None:
    module = corpora.load(name)
    names = module.expected_utterances()
    rows = [module.parse(f"{utterance}.wav") for utterance in names]
    assert {row["utterance"] for row in rows} == names
    assert len(rows) == module.EXPECTED.utterances
    for column, counts in (("emotion", module.EXPECTED.classes), ("speaker", module.EXPECTED.speakers)):
        assert {key: sum(row[column] == key for row in rows) for key in counts} == counts


@pytest.mark.parametrize(
    ("name", "files", "emotions"),
    [
        (
            "ravdess",
            [f"03-01-0{n}-01-01-01-01.wav" for n in range(1, 9)],
            "neutral calm happy sad angry fearful disgust surprised",
        ),
        (
            "savee",
            [f"DC_{code}01.wav" for code in ("a", "d", "f", "h", "n", "sa", "su")],
            "angry disgust fearful happy neutral sad surprised",
        ),
        ("emodb", [f"03a01{code}a.wav" for code in "WLEAFTN"], "angry bored disgust fearful happy sad neutral"),
    ],
)
def test_each_code_of_an_emotion_means_what_the_corpuss_documentation_says(
    name: str, files: list[str], emotions: str
) -> None:
    assert [corpora.load(name).parse(file)["emotion"] for file in files] == emotions.split()


def test_importing_the_corpora_imports_nothing_heavy() -> None:
    code = (
        "import sys, serflow.corpora.archive, serflow.corpora.manifest\n"
        "from serflow.corpora import CORPORA, load\n"
        "assert [load(name).TITLE for name in CORPORA]\n"
        "print({'torch', 'librosa', 'numpy', 'pydantic', 'pandas', 'soundfile'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
