import pytest
import torch

from serflow import models
from serflow.errors import ConfigError
from serflow.training.network import check_shape

JIN = {"module": "resnet1d"}


@pytest.mark.filterwarnings("ignore:Initializing zero-element")  # of the layer that nothing reaches
def test_an_input_of_which_poolings_leave_nothing_is_refused():
    """Jin's two poolings by 8 leave nothing of 32 frames: 32 / 8 / 8 < 1."""
    check_shape(models.build(JIN, 8, (64, 12)), (64, 12))
    with pytest.raises(ConfigError, match=r"\(32, 12\)"):
        check_shape(models.build(JIN, 8, (32, 12)), (32, 12))


def test_the_check_draws_nothing_and_leaves_the_network_as_it_was():
    network = models.build(JIN, 8, (64, 12))
    before, state = [value.clone() for value in network.state_dict().values()], torch.get_rng_state()
    check_shape(network, (64, 12))
    assert network.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(map(torch.equal, before, network.state_dict().values()))
