import json

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from recordings import facts
from serflow import cli, models
from serflow.corpora.manifest import COLUMNS, read_manifest
from serflow.errors import CacheError, RunError, TrainingError, WeightsError
from serflow.features.audio import read_signal
from serflow.features.build import build_store
from serflow.features.store import Features, open_store
from serflow.features.transforms.logpower import level
from serflow.io.files import digest_file, read_csv, write_csv
from serflow.protocols import assignment
from serflow.runs import Spec, read_history, read_run
from serflow.training import checkpoint as checkpoints
from serflow.training import fit as fitting
from serflow.training import loading, network
from serflow.training.run import train
from toy_recipe import LABELS, RATE, RECIPE


def make_corpus(folder, name, n_utterances, emotions=("happy", "sad", "calm"), noise=0.01, prefix=""):
    """Tones of another height for each emotion, a manifest of them, and their features."""
    rng = np.random.default_rng(n_utterances)
    rows = []
    for n in range(n_utterances):
        emotion = emotions[n % len(emotions)]
        length = 600 + 50 * n
        tone = np.sin(2 * np.pi * (400 + 900 * (n % len(emotions))) * np.arange(length) / RATE)
        path = folder / name / f"{name}{n}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.3 * tone + noise * rng.standard_normal(length), RATE)
        row = {"utterance": f"{prefix or name}{n}", "path": path.name, "emotion": emotion, "corpus": name}
        row["speaker"] = f"{n:02d}"
        rows.append(dict.fromkeys(COLUMNS, "") | row | facts(path))
    write_csv(folder / f"{name}.csv", COLUMNS, rows)
    build_store(RECIPE, rows, folder / name, folder / f"{name}.zarr", 1)
    return rows


def write_split(path, parts):
    """`parts`: one mapping from utterance to part per fold."""
    rows = [{"utterance": u, "fold": k, "part": part} for k, fold in enumerate(parts) for u, part in fold.items()]
    write_csv(path, assignment.COLUMNS, rows)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve utterances a, of which four are calm and so unused; fold 1 has other test utterances than fold 0."""
    folder = tmp_path_factory.mktemp("corpora")
    rows = make_corpus(folder, "a", 12)
    used = [row["utterance"] for row in rows if row["emotion"] in LABELS]
    unused = {row["utterance"]: "unused" for row in rows if row["emotion"] not in LABELS}
    parts = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    folds = [dict(zip(used, order, strict=True)) | unused for order in (parts, parts[::-1])]
    write_split(folder / "split.csv", folds)
    return folder


@pytest.fixture
def spec():
    return {
        "paper": "toy",
        "corpus": "a",
        "system": "net",
        "protocol": "published",
        "seed": 0,
        "fold": 1,
        "labels": LABELS,
        "others": [],
        "system_config": {
            "recipe": RECIPE,
            "input": {"kind": "image", "height": 32, "width": 32, "floor_db": -80.0},
            "model": {"module": "resnet", "depth": 18, "pretrained": "none"},
            "training": {"epochs": 2, "batch_size": 2, "optimiser": "adam", "learning_rate": 1e-3},
        },
    }


@pytest.fixture
def tiny(monkeypatch):
    """In place of the ResNet."""
    monkeypatch.setattr(models, "build", lambda model, n, shape: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, n)))


def load_dataset(spec, *paths):
    return loading.load_dataset(Spec.from_plain(spec), *paths)


@pytest.fixture
def start(folder, spec, tmp_path):
    def run(**changes):
        arguments = {
            "spec": Spec.from_plain(spec),
            "manifests": [folder / "a.csv"],
            "stores": [folder / "a.zarr"],
            "split": folder / "split.csv",
            "weights": None,
            "output": tmp_path / "run",
            "checkpoint": tmp_path / "checkpoints" / "fold1.pt",
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
        }
        arguments |= changes
        train(**arguments)
        return arguments["output"]

    return run


def test_a_resnet_run_from_files_to_files(start, spec, folder, capsys):
    from safetensors.torch import load_file

    run = start()
    assert {path.name for path in run.iterdir()} == {"model", "history.csv", "predictions.csv", "run.json"}
    assert not list((run.parent / "checkpoints").glob("*"))
    assert "toy/a/net/published/seed0/fold1: 4 train, 2 validation, 2 test items" in capsys.readouterr().err

    state = load_file(run / "model")
    models.build(spec["system_config"]["model"], 2, (3, 32, 32)).load_state_dict(state)  # strict: nothing missing

    assert [row["epoch"] for row in read_csv(run / "history.csv")] == ["1", "2"]

    predictions = read_csv(run / "predictions.csv")
    assert list(predictions[0]) == ["utterance", "part", "label", "predicted", *LABELS]
    of_fold = {row["utterance"]: row["part"] for row in read_csv(folder / "split.csv") if row["fold"] == "1"}
    emotion = {row["utterance"]: row["emotion"] for row in read_csv(folder / "a.csv")}
    assert {row["utterance"]: row["part"] for row in predictions} == {
        u: part for u, part in of_fold.items() if part != "unused"
    }
    for row in predictions:
        assert row["label"] == emotion[row["utterance"]]
        assert float(row["happy"]) + float(row["sad"]) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == max(LABELS, key=lambda label: float(row[label]))

    record = json.loads((run / "run.json").read_text())
    assert {key: record[key] for key in spec} == spec
    assert record["parts"] == {"train": 4, "validation": 2, "test": 2}
    assert record["n_parameters"] == 11_689_512 - 513_000 + 513 * 2
    assert (record["device"], record["precision"], record["threads"]) == ("cpu", "fp32", 1)
    assert record["versions"]["torch"] == torch.__version__  # with its build: CPU and CUDA builds differ
    assert record["inputs"]["split"] == digest_file(folder / "split.csv")
    assert record["inputs"]["weights"] == "none"
    assert record["started"] <= record["finished"]
    assert record["seconds"] >= record["training_seconds"] >= 0
    assert record["peak_memory_mib"] > 50
    assert record["device_name"]
    assert record["commit"]


def test_the_commit_is_the_one_that_the_training_began_with(start, monkeypatch):
    """Who commits during hours of training has not trained with that commit."""
    head = ["old"]
    monkeypatch.setattr("serflow.training.run.commit", lambda: head[-1])
    draw_order = fitting.draw_order
    monkeypatch.setattr(fitting, "draw_order", lambda *given: [head.append("new"), draw_order(*given)][1])
    record = json.loads((start() / "run.json").read_text())
    assert head[-1] == "new"
    assert record["commit"] == "old"


def test_a_run_is_repeated_from_its_own_record(start, tiny, folder, tmp_path):
    run = start()
    again = tmp_path / "again"
    paths = {"manifests": folder / "a.csv", "features": folder / "a.zarr", "split": folder / "split.csv"}
    paths |= {"spec": run / "run.json", "output": again, "checkpoint": tmp_path / "x.pt"}
    options = [f"--{key}={value}" for key, value in paths.items()]
    assert cli.main(["train", "--precision=fp32", "--device=cpu", "--threads=1", *options]) == 0
    for name in ("predictions.csv", "model"):
        assert (again / name).read_bytes() == (run / name).read_bytes()


def test_a_systems_own_precision_comes_before_the_configured_one(start, spec, tiny, tmp_path):
    as_configured = (start() / "predictions.csv").read_bytes()
    spec["system_config"]["training"]["precision"] = "fp32"
    run = start(precision="bf16", output=tmp_path / "own")
    assert json.loads((run / "run.json").read_text())["precision"] == "fp32"
    assert (run / "predictions.csv").read_bytes() == as_configured


def test_pretrained_weights_are_loaded_and_recorded(start, spec, tmp_path):
    from safetensors.torch import load_file, save_file

    torch.manual_seed(9)
    source = models.build(spec["system_config"]["model"], 1000, (3, 32, 32)).state_dict()
    save_file(source, tmp_path / "own.safetensors")
    spec["system_config"]["training"] |= {"learning_rate": 1e-12, "epochs": 1}  # as good as untrained
    spec["system_config"]["model"]["pretrained"] = f"sha256:{digest_file(tmp_path / 'own.safetensors')}"
    run = start(weights=tmp_path / "own.safetensors")
    state = load_file(run / "model")
    torch.testing.assert_close(state["conv1.weight"], source["conv1.weight"])
    record = json.loads((run / "run.json").read_text())
    assert record["inputs"]["weights"] == digest_file(tmp_path / "own.safetensors")
    save_file(source | {"fc.bias": torch.zeros(1000)}, tmp_path / "own.safetensors")
    with pytest.raises(WeightsError, match="SHA-256"):
        start(weights=tmp_path / "own.safetensors")
    for wanted, given in (("imagenet", None), ("imagenet", "own.safetensors"), ("none", "own.safetensors")):
        spec["system_config"]["model"]["pretrained"] = wanted
        with pytest.raises(WeightsError, match=f"of the run is {wanted}"):
            start(weights=tmp_path / given if given else None)


def test_a_checkpoint_is_of_this_very_run(start, tiny, spec, folder, tmp_path, monkeypatch):
    """Whatever decides the numbers changes the key under which a checkpoint is kept."""
    keys = []

    def watched(*arguments):
        keys.append(next(part.key for part in arguments if isinstance(part, fitting.Setup)))
        return fitting.fit(*arguments)

    monkeypatch.setattr(network, "fit", watched)
    start()
    start()
    assert keys[0] == keys[1]
    start(threads=2)
    text = (folder / "split.csv").read_text()
    (tmp_path / "split.csv").write_text(
        text.replace("1,train", "1,x", 1).replace("1,test", "1,train").replace("1,x", "1,test")
    )
    start(split=tmp_path / "split.csv")
    make_corpus(tmp_path, "a", 12, noise=0.02)
    start(manifests=[tmp_path / "a.csv"], stores=[tmp_path / "a.zarr"])
    text = (folder / "a.csv").read_text()
    labels = [row["emotion"] for row in read_csv(folder / "a.csv")]
    old, new = labels[0], next(label for label in labels if label != labels[0])
    (tmp_path / "corrected.csv").write_text(text.replace(f",{old},", f",{new},", 1))
    start(manifests=[tmp_path / "corrected.csv"])  # the split's file is the same
    spec["seed"] = 1
    start()
    spec["system_config"]["training"]["learning_rate"] = 2e-3
    start()
    assert len(set(keys)) == len(keys) - 1


def test_the_seconds_of_a_resumed_run_are_those_before_too(start, tiny, monkeypatch):
    original = checkpoints.save

    def save_and_die(path, key, state):
        original(path, key, {**state, "history": [{**row, "seconds": 1000.0} for row in state["history"]]})
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(checkpoints, "save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        start()
    record = json.loads((start() / "run.json").read_text())
    assert record["seconds"] >= record["training_seconds"] >= 1000


OWN_MODEL = """
from torch import nn


def build(n_classes, *, input_shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, n_classes))
"""


@pytest.mark.parametrize(
    ("edited", "resumes"),
    [
        (f'"""A title."""\n{OWN_MODEL}'.replace("return", "# why\n    return"), True),
        (OWN_MODEL.replace("nn.Flatten(),", "nn.Flatten(), nn.ReLU(),"), False),
    ],
    ids=["comment", "code"],
)
def test_an_interrupted_training_resumes_unless_its_code_is_another(
    start, spec, tmp_path, monkeypatch, capsys, edited, resumes
):
    own = tmp_path / "own.py"
    own.write_text(OWN_MODEL)
    spec["system_config"]["model"] = {"module": str(own)}
    original = checkpoints.save

    def save_and_die(*arguments):
        original(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", -1.0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "save", save_and_die)
        start()
    own.write_text(edited)
    start()
    assert ("resuming after epoch 1" in capsys.readouterr().err) is resumes


# The dataset of a run


def item_of(store, rows, utterance):
    features = open_store(store, RECIPE, rows)
    n = [row["utterance"] for row in rows].index(utterance)
    return features.read(np.array([n]))


def test_a_union_joins_its_members_in_the_order_of_the_split(spec, tmp_path):
    """Two corpora whose utterances and speakers have the same names."""
    rows = {c: make_corpus(tmp_path, c, 4, ("sad", "happy"), noise, "u") for c, noise in {"a": 0.1, "b": 0.2}.items()}
    wanted = [("b", 3, "train"), ("a", 0, "train"), ("b", 0, "validation"), ("a", 2, "test")]
    wanted = [(c, rows[c][n]["utterance"], part) for c, n, part in wanted]
    split = write_split(tmp_path / "s.csv", [{}, {f"{c}/{utterance}": part for c, utterance, part in wanted}])
    spec["corpus"] = "a+b"
    manifests, stores = [[tmp_path / f"{c}.{suffix}" for c in "ab"] for suffix in ("csv", "zarr")]
    data, _ = load_dataset(spec, manifests, stores, split)
    assert list(data.utterances) == [f"{c}/{utterance}" for c, utterance, _ in wanted]
    assert data.labels.tolist() == [0, 1, 1, 1]  # happy, and three sad ones
    assert list(data.speakers) == ["b/03", "a/00", "b/00", "a/02"]
    for n, (c, utterance, _) in enumerate(wanted):
        np.testing.assert_array_equal(data.item(n), item_of(tmp_path / f"{c}.zarr", rows[c], utterance))
    only_b = write_split(tmp_path / "only_b.csv", [{}, {"b/u0": "train", "b/u1": "test"}])
    assert load_dataset(spec, manifests, stores, only_b)[0].utterances == ["b/u0", "b/u1"]
    with pytest.raises(CacheError, match="audio"):
        load_dataset(spec, manifests, stores[::-1], split)


def test_features_of_another_recipe_are_never_trained_on(start, spec, tmp_path):
    spec["system_config"] = spec["system_config"] | {"recipe": RECIPE | {"n_mels": 17}}
    with pytest.raises(CacheError, match="recipe"):
        start()
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"a0": "train", "zz": "train", "a1": "test"}, "zz"),
        ({"a0": "train", "a1": "unused"}, "fold 1 .*test"),
        ({"a0": "unused", "a1": "test"}, "fold 1 .*train"),
        ({"a0": "train", "a1": "test", "a2": "train"}, "calm"),
    ],
    ids=["unknown utterance", "nothing to test", "nothing to train", "no label"],
)
def test_what_does_not_fit_in_a_split_is_named(start, tmp_path, parts, named):
    split = write_split(tmp_path / "s.csv", [{}, parts])
    with pytest.raises(TrainingError, match=named) as caught:
        start(split=split)
    assert caught.value.where == str(split)


def test_a_failed_run_leaves_nothing(start, tmp_path, monkeypatch):
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(torch.nan))

        def forward(self, batch):
            return batch.flatten(1)[:, :2] * self.weight

    monkeypatch.setattr(models, "build", lambda model, n_classes, shape: Broken())
    with pytest.raises(TrainingError, match=r"loss: .*epoch 1"):
        start()
    assert list((tmp_path / "run").iterdir()) == []


# An estimator instead of a network, copies beside the recordings


@pytest.fixture
def svm(spec):
    spec["system_config"] = {
        "recipe": RECIPE,
        "input": {"kind": "vector"},
        "model": {"module": "svm", "C": 1.0, "gamma": "scale"},
    }
    return spec


def test_an_svm_run_from_files_to_files(start, svm):
    import skops.io

    run = start()
    assert {path.name for path in run.iterdir()} == {"model", "history.csv", "predictions.csv", "run.json"}
    assert read_csv(run / "history.csv") == []
    record = json.loads((run / "run.json").read_text())
    expected = {
        "model_format": "skops",
        "device": "cpu",
        "precision": "fp64",
        "n_parameters": None,
        "input_shape": [16],
    }
    assert record.items() >= expected.items()
    assert "scikit-learn" in record["versions"]
    model = skops.io.load(run / "model", trusted=skops.io.get_untrusted_types(file=run / "model"))
    assert model[1].n_features_in_ == 16
    predictions = read_csv(run / "predictions.csv")
    assert all(row["predicted"] == row["label"] for row in predictions if row["part"] == "train")  # tones far apart
    assert all(float(row["happy"]) + float(row["sad"]) == pytest.approx(1, abs=1e-5) for row in predictions)


def test_copies_are_items_of_their_own(spec, tmp_path):
    """A copy has its utterance's label, and stands in the part that the split gives it."""
    recipe = RECIPE | {"copies": {"noise": {"snr_db": 10.0}, "stretch": {"rate": 2.0}}}
    rows = make_corpus(tmp_path, "a", 2, ("sad", "happy"))
    build_store(recipe, rows, tmp_path / "a", tmp_path / "copies.zarr", 1)
    parts = {"a1#stretch": "train", "a0": "train", "a0#noise": "test", "a1": "validation", "a0#stretch": "unused"}
    split = write_split(tmp_path / "s.csv", [{}, parts])
    spec["system_config"]["recipe"] = recipe
    data, _ = load_dataset(spec, [tmp_path / "a.csv"], [tmp_path / "copies.zarr"], split)
    assert list(data.utterances) == ["a1#stretch", "a0", "a0#noise", "a1"]
    assert data.labels.tolist() == [0, 1, 1, 0]
    assert data.parts["test"].tolist() == [2]
    lengths = np.diff(data.offsets)
    assert lengths[1] == lengths[2]  # a noisy copy is as long ...
    assert lengths[0] == pytest.approx(lengths[3] / 2, abs=1)  # ... and one twice as fast half as long
    assert not np.array_equal(data.item(1), data.item(2))


# Segments, stored in half precision


@pytest.fixture
def segmented(folder, spec, tmp_path):
    """A cache of parts of at most 0.1 s, 800 samples: the utterances a5 (850 samples) to a11 (1150) come in two."""
    recipe = RECIPE | {"segment_seconds": 0.1, "dtype": "float16"}
    build_store(recipe, read_manifest(folder / "a.csv"), folder / "a", tmp_path / "segments.zarr", 1)
    spec["system_config"] |= {
        "recipe": recipe,
        "input": {"kind": "patch", "frames": 14},
        "model": {"module": "satt", "convolutions": [[2, 3, 3]], "dense": 4, "dropout": 0.1, "lstm": None},
    }
    return tmp_path / "segments.zarr"


@pytest.fixture
def load_segmented(segmented, folder, spec):
    return lambda: load_dataset(spec, [folder / "a.csv"], [segmented], folder / "split.csv")


def test_the_segments_of_an_utterance_are_items_of_its_label_and_part(load_segmented, segmented, folder, spec):
    data, _ = load_segmented()
    names = [name for name in data.utterances for _ in range(1 + (int(name[1:]) >= 5))]
    assert [data.utterances[u] for u in data.owner] == names
    emotions = {row["utterance"]: row["emotion"] for row in read_csv(folder / "a.csv")}
    assert list(data.emotions) == [emotions[name] for name in data.utterances]
    assert [LABELS[label] for label in data.labels] == [emotions[name] for name in names]
    split = {row["utterance"]: row["part"] for row in read_csv(folder / "split.csv") if row["fold"] == "1"}
    for part, index in data.parts.items():
        assert {names[n] for n in index} == {name for name, found in split.items() if found == part}
    assert sorted(np.concatenate(list(data.parts.values()))) == list(range(len(names)))
    features = open_store(segmented, spec["system_config"]["recipe"], read_manifest(folder / "a.csv"))
    for n, name in enumerate(names):
        segment = names[:n].count(name)  # in the order of time
        row = int(name[1:])
        place = np.flatnonzero((features.utterance == row) & (features.segment == segment))
        np.testing.assert_array_equal(data.item(n), features.read(place))
    assert data.frames.dtype == np.float16


def test_only_what_the_run_needs_is_read_and_once(load_segmented, monkeypatch):
    """Four of the twelve utterances are of no part of the run; the frames are one array, the one that was read."""
    read = []
    original = Features.read

    def watched(self, items):
        read.append((items, original(self, items)))
        return read[-1][1]

    monkeypatch.setattr(Features, "read", watched)
    data, _ = load_segmented()
    assert len(read) == 1
    assert len(read[0][0]) == len(set(read[0][0].tolist())) == len(data.labels)
    assert data.frames is read[0][1]


def test_the_digest_is_of_the_items_that_are_read(load_segmented, spec):
    first = load_segmented()[1]
    assert load_segmented()[1] == first
    spec["fold"] = 0  # the same utterances in another order of parts, but the same order in the split
    assert load_segmented()[1] == first
    spec["others"] = ["calm"]  # which this split leaves out
    assert load_segmented()[1] == first


def test_predictions_are_per_utterance_the_mean_over_its_segments(start, segmented, monkeypatch, folder):
    results = []

    def watched(training, inputs, data, *rest):
        results.append((data, fitting.fit(training, inputs, data, *rest)))
        return results[-1][1]

    monkeypatch.setattr(network, "fit", watched)
    run = read_run(start(stores=[segmented]))
    data, result = results[0]
    assert len(run.utterances) == 8 < len(data.labels)
    for u, name in enumerate(run.utterances):
        mine = [n for n in range(len(data.labels)) if data.utterances[data.owner[n]] == name]
        np.testing.assert_allclose(run.posteriors[u], result.posteriors[mine].mean(axis=0), rtol=1e-5)
        assert run.predicted[u] == run.posteriors[u].argmax()
    emotions = {row["utterance"]: row["emotion"] for row in read_csv(folder / "a.csv")}
    assert [run.labels[label] for label in run.truth] == [emotions[name] for name in run.utterances]
    assert run.info["parts"] == {"train": 4, "validation": 2, "test": 2}  # utterances
    assert "best_epoch" not in run.info


def test_the_share_of_points_at_the_noise_level_is_recorded(start, folder, spec, tmp_path):
    names = ("sample_rate", "win_length", "hop_length", "n_fft", "fmax", "floor_db")
    frame = dict(zip(names, (RATE, 80, 40, 100, 4000.0, -40.0), strict=True))
    rows = read_manifest(folder / "a.csv")
    spec["system_config"] |= {"recipe": {"transform": "logpower"} | frame, "input": {"kind": "patch", "frames": 40}}
    spec["system_config"]["model"] = {
        "module": "satt",
        "convolutions": [[2, 3, 3]],
        "dense": 4,
        "dropout": 0.1,
        "lstm": None,
    }
    build_store(spec["system_config"]["recipe"], rows, folder / "a", tmp_path / "power.zarr", 1)
    run = read_run(start(stores=[tmp_path / "power.zarr"]))
    used = [row for row in rows if row["utterance"] in run.utterances]
    levels = np.concatenate([level(read_signal(folder / "a" / row["path"], RATE), **frame) for row in used])
    assert run.info["clipped"] == pytest.approx(np.mean(levels <= -40))
    assert 0.2 < run.info["clipped"] < 0.98


def test_the_best_epoch_is_recorded(start, segmented, spec):
    spec["system_config"]["training"] |= {"early_stopping": {"metric": "loss", "patience": 2}, "epochs": 3}
    run = read_run(start(stores=[segmented]))
    losses = [row["validation_loss"] for row in run.history]
    assert run.info["best_epoch"] == 1 + losses.index(min(losses))
    assert all(0 <= row["validation_UA"] <= 1 for row in run.history)


@pytest.fixture
def two_of_three(folder, spec, tmp_path):
    """A split of a paper's three emotions for a run that tells two apart: a2 and a5 are calm."""
    parts = ["train", "train", "train", "train", "validation", "test", "test", "test"]
    split = write_split(tmp_path / "s.csv", [{}, {f"a{n}": part for n, part in enumerate(parts)}])
    spec["others"] = ["calm"]
    return split


def test_the_papers_other_emotions_are_only_given_posteriors(start, tiny, two_of_three):
    run = read_run(start(split=two_of_three))
    assert run.info["parts"] == {"train": 3, "validation": 1, "test": 2, "other": 2}
    assert run.utterances == tuple(f"a{n}" for n in range(8))
    assert run.parts.tolist() == ["train", "train", "other", "train", "validation", "other", "test", "test"]
    assert run.truth.tolist() == [0, 1, -1, 0, 1, -1, 0, 1]
    np.testing.assert_allclose(run.posteriors.sum(axis=1), 1, rtol=1e-4)
    rows = read_csv(run.path / "predictions.csv")
    assert [row["label"] for row in rows if row["part"] == "other"] == ["calm", "calm"]
    assert {row["predicted"] for row in rows} <= set(LABELS)


def test_another_label_in_a_part_that_is_scored_is_named(start, tiny, two_of_three):
    run = start(split=two_of_three)
    rows = read_csv(run / "predictions.csv")
    rows[2]["part"] = "test"
    write_csv(run / "predictions.csv", list(rows[0]), rows)
    with pytest.raises(RunError, match=r"line 4.*'calm'"):
        read_run(run)


def test_a_history_without_a_newer_column_is_read(start, tiny):
    path = start() / "history.csv"
    rows = read_csv(path)
    columns = [column for column in rows[0] if column != "validation_UA"]
    write_csv(path, columns, [{column: row[column] for column in columns} for row in rows])
    assert read_run(path.parent).history == read_history(path)
    assert list(read_history(path)[0]) == columns
