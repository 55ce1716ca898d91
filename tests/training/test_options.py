"""Options of training: what a paper file may say, read alone and together with the input."""

import pytest

from serflow.errors import ConfigError
from serflow.schema import Model, check
from serflow.training.options import EarlyStopping, Stage, StepDecay, Training, check_input, check_training

NEEDED = {"epochs": 6, "batch_size": 4, "optimiser": "adam", "learning_rate": 1e-3}
IMAGE = {"kind": "image", "height": 8, "width": 9, "floor_db": -80.0}
STAGES = [{"epochs": 2, "height": 4, "width": 5}, {"epochs": 4, "height": 8, "width": 9}]
STOPPING = {"metric": "WA", "patience": 3}


class System(Model):
    """As a paper file holds it."""

    training: Training


def read(**options):
    return check(System, {"training": NEEDED | options}, "paper.yaml").training


def test_what_a_paper_file_says_is_what_a_job_takes():
    options = {
        "step_decay": {"factor": 0.9, "every": 2},
        "early_stopping": STOPPING,
        "stages": STAGES,
        "augment": [{"kind": "mixup", "alpha": 0.4}],
        "class_weights": "inverse",
        "oversample": True,
    }
    training = read(**options)
    assert training == Training.from_plain(NEEDED | options)
    assert training.stages == (Stage(2, 4, 5), Stage(4, 8, 9))
    assert (training.step_decay, training.early_stopping) == (StepDecay(0.9, 2), EarlyStopping("WA", 3))
    assert read(early_stopping=None) == Training.from_plain(NEEDED | {"early_stopping": None}) == Training(**NEEDED)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": "1e-3"}, "learning_rate"),
        ({"optimiser": "adamm"}, "optimiser"),
        ({"step_decay": {"factor": 1.5, "every": 2}}, "step_decay.factor"),
        ({"step_decay": {"factor": 0.5}}, "step_decay"),
        ({"stages": [{"epochs": 6, "height": 8, "width": 0}]}, "stages.0.width"),
        ({"augment": ["flip"]}, "augment.0"),
    ],
)
def test_an_option_that_is_not_allowed_is_named(options, where):
    with pytest.raises(ConfigError) as caught:
        read(**options)
    assert caught.value.where == f"paper.yaml: training.{where}"


def test_an_unknown_option_is_named_with_what_was_meant():
    with pytest.raises(ConfigError, match=r"'epoch'.*'epochs'"):
        read(stages=[{"epoch": 6, "height": 8, "width": 9}])


@pytest.mark.parametrize(
    ("options", "given", "where"),
    [
        ({"freeze_epochs": 6}, IMAGE, "freeze_epochs"),
        ({"stages": STAGES[:1]}, IMAGE, "stages"),
        ({"stages": STAGES}, IMAGE | {"width": 8}, "stages"),
        ({"stages": STAGES}, {"kind": "sequence", "frames": 9}, "stages"),
        ({"stages": STAGES, "early_stopping": STOPPING}, IMAGE, "early_stopping"),
        ({"augment": [{"kind": "flip"}, {"kind": "flip"}]}, IMAGE, "augment.1.kind"),
        ({"augment": [{"kind": "mixup", "alpha": 1.0}, {"kind": "flip"}]}, {"kind": "patch"}, "augment.1.kind"),
        ({"augment": [{"kind": "zoom", "low": 1.2, "high": 0.8}]}, IMAGE, "augment.0.low"),
    ],
)
def test_options_that_do_not_go_together_are_named(options, given, where):
    with pytest.raises(ConfigError) as caught:
        check_training(Training.from_plain(NEEDED | options), given)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({}, IMAGE),
        ({"stages": STAGES, "augment": [{"kind": "zoom", "low": 1.0, "high": 1.0}], "freeze_epochs": 5}, IMAGE),
        ({"early_stopping": STOPPING, "augment": [{"kind": "mixup", "alpha": 0.4}]}, {"kind": "sequence"}),
    ],
)
def test_options_that_go_together_are_allowed(options, given):
    check_training(Training.from_plain(NEEDED | options), given)


def test_imagenets_normalisation_needs_three_channels():
    check_input(IMAGE)
    check_input(IMAGE | {"channels": 1, "normalise": "none"})
    for wrong in ({"channels": 1}, {"channels": 1, "normalise": "imagenet"}):
        with pytest.raises(ConfigError) as caught:
            check_input(IMAGE | wrong)
        assert caught.value.where == "normalise"
