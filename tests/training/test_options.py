"""Options of training: what a paper file may say, read alone and together with the input."""

import pytest

from serflow.errors import ConfigError
from serflow.schema import Model, check
from serflow.training.options import (
    EarlyStopping,
    OneCycle,
    Phase,
    StepDecay,
    Training,
    check_input,
    check_training,
)

NEEDED = {"epochs": 6, "batch_size": 4, "optimiser": "adam", "learning_rate": 1e-3}
IMAGE = {"kind": "image", "height": 8, "width": 9, "floor_db": -80.0}
CYCLE = {"rise": 0.25, "start": 25.0}
GROUPS = [["conv"], ["bn", "fc"]]
PHASES = [{"epochs": 2, "height": 4, "width": 5, "frozen": True}, {"epochs": 4, "height": 8, "one_cycle": CYCLE}]
RATES = [{"epochs": 6, "learning_rates": [1e-4, 1e-3]}]
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
        "layer_groups": GROUPS,
        "phases": [*PHASES, *RATES],
        "augment": [{"kind": "mixup", "alpha": 0.4}],
        "class_weights": "inverse",
        "oversample": True,
    }
    training = read(**options)
    assert training == Training.from_plain(NEEDED | options)
    assert training.layer_groups == (("conv",), ("bn", "fc"))
    cycle = OneCycle(0.25, 25.0)
    assert training.phases == (
        Phase(2, 4, 5, frozen=True),
        Phase(4, 8, one_cycle=cycle),
        Phase(6, learning_rates=(1e-4, 1e-3)),
    )
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
        ({"phases": [{"epochs": 6, "height": 8, "width": 0}]}, "phases.0.width"),
        ({"phases": [{"epochs": 6, "one_cycle": CYCLE | {"rise": 1.0}}]}, "phases.0.one_cycle.rise"),
        ({"phases": [{"epochs": 6, "learning_rates": [1e-3, 0.0]}]}, "phases.0.learning_rates.1"),
        ({"augment": ["flip"]}, "augment.0"),
    ],
)
def test_an_option_that_is_not_allowed_is_named(options, where):
    with pytest.raises(ConfigError) as caught:
        read(**options)
    assert caught.value.where == f"paper.yaml: training.{where}"


def test_an_unknown_option_is_named_with_what_was_meant():
    with pytest.raises(ConfigError, match=r"'epoch'.*'epochs'"):
        read(phases=[{"epoch": 6, "height": 8, "width": 9}])


@pytest.mark.parametrize(
    ("options", "given", "where"),
    [
        ({"phases": PHASES[:1]}, IMAGE, "phases"),
        ({"phases": PHASES}, IMAGE | {"height": 9}, "phases"),
        ({"phases": PHASES}, {"kind": "sequence", "frames": 9}, "phases.0"),
        ({"phases": PHASES, "early_stopping": STOPPING}, IMAGE, "early_stopping"),
        ({"phases": PHASES, "optimiser": "rmsprop"}, IMAGE, "phases.1.one_cycle"),
        ({"phases": RATES}, IMAGE, "phases.0.learning_rates"),
        ({"phases": RATES, "layer_groups": [["conv"]]}, IMAGE, "phases.0.learning_rates"),
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
        ({"phases": PHASES, "augment": [{"kind": "zoom", "low": 1.0, "high": 1.0}]}, IMAGE),
        ({"phases": RATES, "layer_groups": GROUPS}, {"kind": "sequence", "frames": 9}),
        ({"early_stopping": STOPPING, "augment": [{"kind": "mixup", "alpha": 0.4}]}, {"kind": "sequence"}),
    ],
)
def test_options_that_go_together_are_allowed(options, given):
    check_training(Training.from_plain(NEEDED | options), given)


def test_colours_and_imagenets_normalisation_need_three_channels():
    check_input(IMAGE | {"colours": "magma"})
    grey = IMAGE | {"channels": 1, "normalise": "none"}
    check_input(grey)
    for wrong, key in (({"normalise": "imagenet"}, "normalise"), ({"colours": "magma"}, "colours")):
        with pytest.raises(ConfigError) as caught:
            check_input(grey | wrong)
        assert caught.value.where == key
    with pytest.raises(ConfigError):
        check_input(IMAGE | {"channels": 1})


def test_a_mel_axis_ends_above_its_linear_part():
    check_input(IMAGE | {"mel_axis": 8000.0})
    with pytest.raises(ConfigError) as caught:
        check_input(IMAGE | {"mel_axis": 1000.0})
    assert caught.value.where == "mel_axis"
