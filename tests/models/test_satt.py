"""Satt et al.: shapes and parameter counts worked out by hand, from Figure 1 and for the variants on 400 rows."""

import numpy as np
import pytest
import torch
from torch import nn

from serflow import models

from .layers import count, shapes

THREE = [[16, 12, 16], [24, 8, 12], [32, 5, 7]]
FIVE = [*THREE, [32, 5, 5], [32, 3, 3]]
LSTM = {"size": 128, "layers": 1, "attention": False}
#: The layers that change the shape of what they are given.
KINDS = (nn.Conv2d, nn.MaxPool2d, nn.Flatten, nn.Linear, nn.LSTM)


def build(rows, convolutions, lstm, frames=300):
    torch.manual_seed(0)
    options = {"convolutions": convolutions, "dense": 64, "dropout": 0.5, "lstm": lstm}
    return models.build({"module": "satt", **options}, 4, (1, rows, frames)).eval()


# 'same' keeps a map's size, pooling halves it, rounding down: rows 200, 100, 50, 25; frames 300, 150, 75, 37. The LSTM
# runs over the 37 columns of 32 maps of 25 rows, 800 values each. A layer has kernel * inputs * outputs weights and as
# many biases as outputs; one direction of an LSTM of width h on d values has 4h (d + h) weights and, in torch, 2 * 4h
# biases (in Keras 4h: the second is redundant).


def test_figure_1():
    network = build(200, THREE, LSTM)
    assert shapes(network, torch.zeros(2, 1, 200, 300), KINDS) == [
        *[(16, 200, 300), (16, 100, 150)],
        *[(24, 100, 150), (24, 50, 75)],
        *[(32, 50, 75), (32, 25, 37)],
        (37, 256),  # both directions of 128
        (64,),
        (4,),
    ]
    assert count(network.conv1) == 12 * 16 * 1 * 16 + 16 == 3088
    assert count(network.conv2) == 8 * 12 * 16 * 24 + 24 == 36888
    assert count(network.conv3) == 5 * 7 * 24 * 32 + 32 == 26912
    assert count(network.lstm) == 2 * 4 * 128 * (800 + 128 + 2) == 952320
    assert count(network.dense) == 256 * 64 + 64 == 16448
    assert count(network.output) == 64 * 4 + 4 == 260
    assert count(network) == 3088 + 36888 + 26912 + 952320 + 16448 + 260
    assert [name for name, _ in network.named_children()][-3:] == ["dense", "dropout", "output"]
    assert network.dropout.p == 0.5


def test_the_network_of_row_3():
    """Rows 400, 200, 100, 50: the LSTM takes 32 * 50 = 1600 values; the convolutions are those of Figure 1."""
    network = build(400, THREE, LSTM)
    assert count(network.lstm) == 2 * 4 * 128 * (1600 + 128 + 2) == 1771520
    assert count(network) == 3088 + 36888 + 26912 + 1771520 + 16448 + 260


def test_the_network_of_row_1():
    """Rows 400, 200, 100, 50, 25, 12; frames 300, 150, 75, 37, 18, 9: 32 * 12 * 9 = 3456 values are flattened."""
    network = build(400, FIVE, None)
    assert shapes(network, torch.zeros(2, 1, 400, 300), KINDS) == [
        *[(16, 400, 300), (16, 200, 150)],
        *[(24, 200, 150), (24, 100, 75)],
        *[(32, 100, 75), (32, 50, 37)],
        *[(32, 50, 37), (32, 25, 18)],
        *[(32, 25, 18), (32, 12, 9)],
        (3456,),
        (64,),
        (4,),
    ]
    assert count(network.conv4) == 5 * 5 * 32 * 32 + 32 == 25632
    assert count(network.conv5) == 3 * 3 * 32 * 32 + 32 == 9248
    assert count(network.dense) == 3456 * 64 + 64 == 221248
    assert count(network) == 3088 + 36888 + 26912 + 25632 + 9248 + 221248 + 260


def test_pooling_ends_with_one_row():
    """Eight layers: 100, 50, 25, 12, 6, 3, 1 rows and 150, 75, 37, 18, 9, 4, 2 columns; the eighth pools no more."""
    network = build(200, [*FIVE, *[[32, 3, 3]] * 3], None)
    found = shapes(network, torch.zeros(2, 1, 200, 300), KINDS)
    assert found[12:] == [(32, 3, 4), (32, 1, 2), (32, 1, 2), (64,), (64,), (4,)]
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in network.modules()) == 7


def test_a_second_lstm_layer_takes_both_directions_of_the_first():
    network = build(200, THREE, {**LSTM, "size": 64, "layers": 2})
    assert count(network.lstm) == 2 * 4 * 64 * (800 + 64 + 2) + 2 * 4 * 64 * (128 + 64 + 2)
    assert count(network.dense) == 128 * 64 + 64


def test_an_even_kernel_pads_one_more_after_than_before_as_in_keras():
    """Keras's 'same' of kernel w is y[t] = sum over k of w[k] x[t - (K - 1) // 2 + k]: an impulse shows w backwards."""
    network = build(30, [[1, 4, 6]], None, frames=40)
    kernel = torch.arange(1.0, 25.0).view(4, 6)
    impulse = torch.zeros(1, 1, 30, 40)
    impulse[..., 10, 20] = 1
    with torch.no_grad():
        network.conv1[1].weight[0, 0] = kernel
        response = network.conv1[1](network.conv1[0](impulse))[0, 0]
    expected = torch.zeros(30, 40)  # t - (K - 1) // 2 + k = 10 for k = 3 ... 0: rows 8 to 11; columns 17 to 22
    expected[8:12, 17:23] = kernel.flip(0, 1)
    assert torch.equal(response, expected)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("kernel", [[16, 12, 16], [24, 8, 7]])
def test_a_layer_is_convolution_relu_and_pooling(kernel):
    """By torch's own 'same' padding, the ReLU before the pooling, as the paper's order has it."""
    layer = build(41, [kernel], None, frames=37).conv1
    convolution = next(part for part in layer if isinstance(part, nn.Conv2d))
    x = torch.randn(2, 1, 41, 37)
    with torch.no_grad():
        convolution.bias.uniform_(-0.1, 0.1)
        maps = nn.functional.conv2d(x, convolution.weight, convolution.bias, padding="same")
        torch.testing.assert_close(layer(x), nn.functional.max_pool2d(maps.relu(), 2), atol=1e-5, rtol=1e-5)


@pytest.fixture
def maps():
    return torch.randn(3, 32, 2, 11)  # of channels, rows and columns: 64 values over 11 steps


def outputs_of(network, maps):
    """The LSTM's outputs (batch, time, 2 * size): step t takes column t, of it all rows of the first channel first."""
    steps = torch.stack([maps[..., t].reshape(len(maps), -1) for t in range(maps.shape[-1])], dim=1)
    return network.lstm.lstm(steps)[0]


@pytest.mark.parametrize("layers", [1, 2])
def test_without_attention_the_last_state_of_each_direction_is_taken(maps, layers):
    network = build(16, THREE, {**LSTM, "layers": layers}, frames=88)
    with torch.inference_mode():
        outputs = outputs_of(network, maps)
        last = torch.cat([outputs[:, -1, :128], outputs[:, 0, 128:]], dim=1)  # backwards, the first step comes last
        torch.testing.assert_close(network.lstm(maps), last)


def test_attention_is_a_weighted_mean_over_time(maps):
    network = build(16, THREE, {**LSTM, "attention": True}, frames=88)
    assert count(network.lstm) == 2 * 4 * 128 * (64 + 128 + 2) + 256
    with torch.inference_mode():
        outputs = outputs_of(network, maps).numpy().astype(float)
        scores = outputs @ network.lstm.attention.weight.numpy()[0].astype(float)
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        expected = np.einsum("bt,btf->bf", weights, outputs)
        np.testing.assert_allclose(network.lstm(maps), expected, atol=1e-5)
        network.lstm.attention.weight.zero_()
        np.testing.assert_allclose(network.lstm(maps), outputs.mean(axis=1), atol=1e-5)


def test_weights_start_as_in_keras():
    """Glorot uniform, an LSTM's over its four gates together; orthogonal recurrent weights; forget bias 1, others 0."""
    network = build(200, FIVE, {**LSTM, "layers": 2})
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            size = layer.weight[0, 0].numel()
            limit = (6 / (size * (layer.weight.shape[0] + layer.weight.shape[1]))) ** 0.5
            assert 0.9 * limit < layer.weight.abs().max() <= limit
            assert not layer.bias.any()
    weights = network.lstm.lstm.state_dict()
    assert {name.split("_l")[0] for name in weights} == {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}
    for name, weight in weights.items():
        if name.startswith("weight_ih"):
            limit = (6 / (weight.shape[1] + 4 * 128)) ** 0.5
            assert 0.99 * limit < weight.abs().max() <= limit
        elif name.startswith("weight_hh"):
            torch.testing.assert_close(weight.T @ weight, torch.eye(128), atol=1e-5, rtol=0)
        elif name.startswith("bias_ih"):
            bias = weight + weights[name.replace("ih", "hh")]
            assert bias.view(4, 128).mean(1).tolist() == [0, 1, 0, 0]  # torch's order: input, forget, cell, output
            assert bias.sum() == 128
