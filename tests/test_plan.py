import json

import pytest
import torch

from serflow import plan
from serflow.config import check_config
from serflow.errors import DamagedFileError
from serflow.features.encoders import identify
from serflow.io.files import read_csv, write_csv
from serflow.papers.model import Selection
from serflow.papers.papers import Papers
from serflow.runs import RunId

REAL = {"ravdess": {"source": "download"}}
RESNET = RunId("deepemo", "ravdess", "resnet18", "published", 0, 0)


def papers(**config):
    return Papers(check_config({"corpora": REAL, "device": "cpu", "precision": "bf16", **config}))


def load_of(found, costs, system="resnet18", device="cpu", precision="bf16"):
    return next(load for load in plan.find_loads(found, read_csv(costs), device, precision) if load.system == system)


@pytest.fixture
def costs(tmp_path):
    """A file of costs: DeepEMO's ResNet-18 takes 20 s an epoch and 1000 utterances, and 5 s besides, on a CPU."""
    config = plan.config_digest(papers(papers=["deepemo"]).spec(RESNET).system)
    row = {"paper": "deepemo", "system": "resnet18", "config": config, "device": "cpu", "device_name": "a CPU"}
    row |= {"precision": "bf16", "threads": "2", "epoch_seconds": "20", "other_seconds": "5", "parameters": "1000"}
    path = tmp_path / "costs.csv"
    write_csv(path, plan.COLUMNS, [row | {"runs": "1", "date": "2026-01-02", "commit": "abc"}])
    return path


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        *((0.004, "less than 1 min"), (0.5, "30 min"), (5.24, "5.2 h"), (37.2, "37 h")),
        *((158.4, "6 days 14 h"), (47.9, "48 h"), (59.8, "2 days 12 h")),
    ],
)
def test_hours_are_written_as_a_person_would(hours, expected):
    assert plan.spell_hours(hours) == expected


def test_hours_are_epochs_times_utterances_times_the_recorded_cost(costs):
    """Three seeds on 80 % of 1440, six folds on five sixths of it, 50 epochs each."""
    found = papers(papers=["deepemo"], protocols=["published", "speaker_independent"])
    seconds = 50 * 0.020 * (3 * 1152 + 6 * 1200) + 9 * 5
    assert load_of(found, costs).hours == pytest.approx(seconds / 3600)
    assert "a CPU, bf16, 2 threads, 2026-01-02" in plan.describe(found, costs)


def test_the_cost_in_the_precision_of_this_machine_counts(costs):
    """In fp32 an epoch took 50 s, measured before that in bf16; DeepEMO's own precision stands above the machine's."""
    fp32 = read_csv(costs)[0] | {"precision": "fp32", "epoch_seconds": "50", "date": "2026-01-01"}
    found = papers(papers=["deepemo"], protocols=["published"], seeds={"random": [0]}, precision="fp32")
    told = plan.describe(found, costs)
    assert "a CPU, bf16" in told
    assert "By costs in another precision than here" in told
    assert told.endswith(": deepemo/resnet18.")
    write_csv(costs, plan.COLUMNS, [*read_csv(costs), fp32])
    told = plan.describe(found, costs)
    assert "a CPU, fp32" in told
    assert "another precision" not in told
    assert load_of(found, costs, precision="fp32").hours == pytest.approx((50 * 0.050 * 1152 + 5) / 3600)
    own = {"deepemo": {"systems": {"resnet18": {"training": {"precision": "bf16"}}}}}
    found = papers(papers=["deepemo"], protocols=["published"], seeds={"random": [0]}, overrides=own, precision="fp32")
    assert load_of(found, costs, precision="fp32").hours == pytest.approx((50 * 0.020 * 1152 + 5) / 3600)


def test_what_is_kept_already_is_not_counted(costs, monkeypatch):
    found = papers(papers=["deepemo"], protocols=["published"])
    monkeypatch.setattr(plan, "COSTS", costs)
    (line,) = plan.list_left(found, {RESNET})
    assert line.startswith("deepemo/resnet18: 2 trainings of 50 epochs")
    assert line.endswith(": `ravdess/published/seed{1,2}/fold0`")  # as a shell takes them
    (line,) = plan.list_left(papers(papers=["deepemo"], protocols=["speaker_independent"]), {})
    assert line.endswith("`ravdess/speaker_independent/seed0/fold{0..5}`")


@pytest.mark.parametrize(("before", "counts"), [([], True), ([{"epochs": 1, "height": 64, "width": 64}], False)])
def test_the_cost_of_a_short_schedule_counts_for_the_papers_own_one(before, counts):
    """An epoch takes as long in phases of other lengths and rates, but not on pictures of another size."""
    run = RunId("deepemonet", "ravdess", "resnet34_scratch", "speaker_independent", 0, 0)
    short = {"epochs": 1 + len(before), "phases": [*before, {"epochs": 1, "one_cycle": {"rise": 0.5, "start": 9.0}}]}
    overrides = {"deepemonet": {"systems": {"resnet34_scratch": {"training": short}}}}
    known = [
        plan.config_digest(papers(papers=["deepemonet"], allow_partial=True, overrides=changed).spec(run).system)
        for changed in ({}, overrides)
    ]
    assert (known[0] == known[1]) is counts


def test_copies_multiply_what_is_trained_on(costs):
    found = papers(papers=["deepemo"], protocols=["augment_then_split"], seeds={"random": [0]})
    assert load_of(found, costs).hours == pytest.approx((50 * 0.020 * 4 * 1152 + 5) / 3600)


def test_weights_of_4_bytes_stand_in_each_run_and_in_mlflow(costs):
    found = papers(papers=["deepemo"], protocols=["published"])
    assert load_of(found, costs).weight_bytes == 3 * 2 * 4 * 1000


def test_a_corpus_without_published_numbers_is_not_counted(costs, monkeypatch):
    from serflow.corpora.known import ravdess

    monkeypatch.delattr(ravdess, "EXPECTED")
    monkeypatch.delattr(ravdess, "SECONDS")
    text = plan.describe(papers(papers=["deepemo"]), costs)
    assert "resnet18: 21 trainings of 50 epochs, hours unknown" in text
    assert "Not counted, since how long they last is not known: feature caches of ravdess." in text
    assert "feature caches 0.0" in text


@pytest.mark.parametrize(
    ("corpus", "labels", "select", "n"),
    [
        ("ravdess", ["neutral", "sad"], None, 96 + 192),
        ("iemocap", ["angry", "happy", "neutral", "sad"], Selection(scenario="improvised"), 2280),
        ("iemocap", ["neutral", "happy"], Selection(scenario="improvised"), 1099 + 284),
    ],
)
def test_utterances_are_those_that_are_published_of_the_emotions_and_the_selection(corpus, labels, select, n):
    assert plan.count_utterances(papers().config, corpus, labels, select) == n


def test_an_estimator_is_fitted_once_on_the_cpu_also_where_networks_have_a_gpu(costs):
    """10 s for 1000 items and 5 s besides: 15 s for 1000 items."""
    row = read_csv(costs)[0] | {"system": "svm", "precision": "fp64", "epoch_seconds": "10"}
    found = papers(papers=["deepemonet"], allow_partial=True, protocols=["published"], seeds={"random": [0]})
    load = load_of(found, costs, system="svm", device="cuda")
    assert (load.epochs, load.cost) == (0, None)
    config = plan.config_digest(found.spec(load.runs[0]).system)
    write_csv(costs, plan.COLUMNS, [row | {"config": config}])
    load = load_of(found, costs, system="svm", device="cuda", precision="fp32")
    assert load.hours == pytest.approx((5 + 0.010 * load.items[0]) / 3600)


def test_each_corpus_of_a_union_has_a_cache():
    both = {"ravdess": {"source": "download"}, "savee": {"source": "demo"}}
    found = papers(papers=["deepemonet"], corpora=both, protocols=["published"])
    assert {corpus for corpus, _ in plan.find_caches(found)} == {"ravdess", "savee"}


def test_of_two_costs_the_later_one_counts(costs):
    later = read_csv(costs)[0] | {"device_name": "another CPU", "epoch_seconds": "40", "date": "2026-01-03"}
    for rows in ([later, *read_csv(costs)], [*read_csv(costs), later]):
        write_csv(costs, plan.COLUMNS, rows)
        assert load_of(papers(papers=["deepemo"]), costs).cost["epoch_seconds"] == "40"


def test_what_was_never_measured_is_unknown(costs):
    text = plan.describe(papers(papers=["deepemo", "mittal"]), costs)
    assert "mittal/cnn: 9 trainings of 500 epochs, hours unknown" in text
    assert text.endswith("no cost is recorded: mittal/cnn.")
    smaller = {"deepemo": {"systems": {"resnet18": {"input": {"height": 64, "width": 64}}}}}
    assert load_of(papers(papers=["deepemo"], overrides=smaller), costs).hours is None
    assert load_of(papers(papers=["deepemo"]), costs, device="cuda").hours is None


def test_side_by_side_no_time_is_shorter_than_the_longest_training_and_the_command_has_the_files(costs):
    """Under the leak a network trains on four times as many recordings as under the random split."""
    found = papers(papers=["deepemo"], protocols=["published", "augment_then_split"], seeds={"random": [0]})
    plain, leak = sorted(load_of(found, costs).hours_each)
    assert leak > 3 * plain
    told = plan.describe(found, costs, jobs=64, files=["config.yaml", "my own.yaml"])
    assert f"{plan.spell_hours(leak)} with 64 side by side" in told
    assert "--configfile 'my own.yaml'`" in told


def test_on_a_gpu_that_was_never_measured_the_hours_are_unknown_and_not_nothing(costs, monkeypatch):
    monkeypatch.setattr(plan, "choose_device", lambda wanted: torch.device("cuda"))
    told = plan.describe(papers(papers=["deepemo"], device="cuda"), costs, jobs=4)
    assert "Training on cuda: hours unknown." in told
    assert "side by side" not in told


def test_the_number_of_epochs_and_the_learning_rate_leave_the_cost_of_an_epoch(costs):
    shorter = {"deepemo": {"systems": {"resnet18": {"training": {"epochs": 5, "learning_rate": 1e-3}}}}}
    ten, one = (load_of(papers(papers=["deepemo"], overrides=changes), costs) for changes in ({}, shorter))
    assert ten.hours - one.hours == pytest.approx(0.9 * (ten.hours - 21 * 5 / 3600))


def test_only_the_systems_asked_for_are_planned(costs):
    text = plan.describe(papers(allow_partial=True, systems=["svm"], folds=[0]), costs)
    assert "deepemonet/svm: 11 trainings, hours unknown" in text
    one = papers(papers=["deepemo"], protocols=["published"], seeds={"random": [0]})
    assert "deepemo/resnet18: 1 training of" in plan.describe(one)
    assert "deepemo/" not in text
    left_out = plan.describe(papers(papers=["jin"], seeds={"random": [0]}, folds=[0]), costs)
    assert "Left out: jin on savee: SAVEE is not configured." in left_out


def test_a_configuration_without_corpora_takes_nothing(costs):
    assert "Training on cpu: 0 min" in plan.describe(papers(corpora={"ravdess": {"source": None}}), costs)


def test_a_cache_is_as_large_as_the_corpus_lasts():
    """5329 s of RAVDESS, 62.5 frames a second of 128 bands of 4 bytes: 171 MB, four times that with three copies."""
    found = papers(papers=["deepemo"])
    (_, plain), (_, leaking) = plan.find_caches(found)
    assert plan.cache_bytes(found, "ravdess", plain) == pytest.approx(5329 * 62.5 * 128 * 4, rel=0.02)
    assert plan.cache_bytes(found, "ravdess", leaking) == 4 * plan.cache_bytes(found, "ravdess", plain)


def test_a_cache_of_hidden_states_is_as_wide_as_the_encoder_which_need_not_be_read(tmp_path):
    """5329 s of RAVDESS, 50 frames a second of 768 values of 4 bytes."""
    (tmp_path / "config.json").write_text('{"model_type": "wavlm", "hidden_size": 768}')
    (tmp_path / "preprocessor_config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    found = papers(papers=["emobox"], encoders={"wavlm_base": str(tmp_path)})
    recipe = {"transform": "encoder", "weights": identify(tmp_path), "pooled": False}
    assert plan.cache_bytes(found, "ravdess", recipe) == pytest.approx(5329 * 50 * 768 * 4, rel=0.001)


def run_json(folder, seconds, training_seconds, epochs=50, **changes):
    info = papers(papers=["deepemo"]).spec(RESNET).plain()
    info |= {"device": "cpu", "device_name": "a CPU", "precision": "fp32", "threads": 2, "parts": {"train": 1152}}
    info |= {"seconds": seconds, "training_seconds": training_seconds, "commit": "0123456789abcdef"}
    info |= {"finished": "2026-01-02T03:04:05+00:00", "n_parameters": 7}
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(info | changes))
    (folder / "history.csv").write_text("epoch\n" + "".join(f"{n + 1}\n" for n in range(epochs)))
    return folder


def test_recorded_costs_are_found_again(tmp_path):
    runs = [run_json(tmp_path / f"{n}", 1000 + n, 50 * 1.152 * n) for n in (10, 20, 90)]
    output = tmp_path / "costs.csv"
    plan.record(runs, output)
    (row,) = read_csv(output)
    assert (row["epoch_seconds"], row["runs"], row["date"], row["commit"]) == ("20", "3", "2026-01-02", "0123456789")
    assert float(row["other_seconds"]) == pytest.approx(1000 + 20 - 50 * 1.152 * 20, abs=1)  # of the median run
    load = load_of(papers(papers=["deepemo"], protocols=["published"]), output)
    assert load.hours == pytest.approx(3 * (50 * 1.152 * 20 + float(row["other_seconds"])) / 3600)
    assert load.weight_bytes == 3 * 2 * 4 * 7
    plan.record([run_json(tmp_path / "gpu", 100, 50 * 1.152, device="cuda", device_name="a GPU")], output)
    assert {row["device"]: row["epoch_seconds"] for row in read_csv(output)} == {"cpu": "20", "cuda": "1"}
    plan.record([run_json(tmp_path / "again", 1000, 50 * 1.152 * 7)], output)
    assert {row["device"]: row["epoch_seconds"] for row in read_csv(output)} == {"cpu": "7", "cuda": "1"}


def test_a_training_that_stopped_early_is_counted_by_the_epochs_it_took(tmp_path):
    output = tmp_path / "costs.csv"
    plan.record([run_json(tmp_path / "run", 1000, 10 * 1.152 * 3, epochs=10)], output)
    assert read_csv(output)[0]["epoch_seconds"] == "3"


def test_what_is_combined_from_other_runs_costs_no_training(tmp_path):
    folder = run_json(tmp_path / "run", 1, 0)
    info = json.loads((folder / "run.json").read_text())
    del info["training_seconds"]
    (folder / "run.json").write_text(json.dumps(info))
    plan.record([folder], tmp_path / "costs.csv")
    assert read_csv(tmp_path / "costs.csv") == []


def test_the_costs_of_the_repository_are_those_of_its_papers():
    """Each recorded system is found as its paper file has it; the sizes are known without training."""
    demo = {"source": "demo"}
    config = check_config({"corpora": {"ravdess": demo, "savee": demo, "iemocap": demo}, "device": "cpu"})
    found = Papers(config, elsewhere=True)  # also the systems whose libraries are not installed here
    rows = read_csv(plan.COSTS)
    loads = {(load.paper, load.system): load for load in plan.find_loads(found, rows, "cpu", "bf16")}
    assert {tuple(row) for row in rows} == {plan.COLUMNS}
    assert {(row["paper"], row["config"]) for row in rows} <= {
        (load.paper, load.cost["config"]) for load in loads.values() if load.hours
    }
    assert all(row["system"] in found.papers[row["paper"]].systems for row in rows)
    # torchvision's ResNet-18 has 11,689,512 parameters, of which 513,000 make its last layer of 1000 classes.
    resnet = loads["deepemo", "resnet18"]
    assert int(resnet.cost["parameters"]) == 11_689_512 - 513_000 + 513 * 8


@pytest.mark.parametrize(("content", "said"), [("a,b\n1,2\n", "no column 'paper'"), ("# Costs\n\n1,2\n", "row 1 has")])
def test_a_file_of_something_else_is_not_taken_for_costs(tmp_path, content, said):
    other = tmp_path / "notes.csv"
    other.write_text(content)
    for use in (lambda: plan.describe(papers(papers=["jin"]), other, 1, []), lambda: plan.record([], other)):
        with pytest.raises(DamagedFileError, match=said) as caught:
            use()
        assert "record-costs" in caught.value.remedy
        assert "elete" not in str(caught.value)
    assert other.read_text() == content
