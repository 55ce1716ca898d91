"""Shapes and parameter counts of each network, worked out by hand from its paper."""

import pytest
import torch
from torch import nn

from serflow import models

from .layers import count, shapes


@pytest.fixture
def network(request):
    torch.manual_seed(0)
    model, shape = request.param
    return models.build(model, 8, shape).eval()


MITTAL = ({"module": "mittal", "dense": 128}, (1, 260, 270))
JIN = ({"module": "resnet1d"}, (400, 12))
FASTAI = ({"module": "resnet", "depth": 34, "head": "fastai"}, (3, 128, 128))
BILSTM = ({"module": "bilstm", "hidden_size": 128, "dropout": 0.5}, (250, 128))


@pytest.mark.parametrize("network", [MITTAL], indirect=True)
def test_mittal_flattens_1344_values(network):
    """Each 5x5 convolution takes 4 off, each pooling of 5 by 3 makes (n - 5) // 3 + 1 of n.

    270: 266, 88, 84, 27, 23, 7; 260: 256, 84, 80, 26, 22, 6; the last maps are 32 of 7 by 6.
    """
    kinds = (nn.Conv2d, nn.MaxPool2d, nn.Flatten, nn.Linear)
    assert shapes(network, torch.zeros(2, *MITTAL[1]), kinds) == [
        (32, 256, 266),
        (32, 84, 88),
        (64, 80, 84),
        (64, 26, 27),
        (32, 22, 23),
        (32, 6, 7),
        (1344,),
        (128,),
        (8,),
    ]


@pytest.mark.parametrize("network", [({**MITTAL[0], "padding": "same"}, MITTAL[1])], indirect=True)
def test_mittal_with_zeros_around_the_image_flattens_2304_values(network):
    """Only the poolings take off: 270: 89, 29, 9; 260: 86, 28, 8."""
    kinds = (nn.MaxPool2d, nn.Flatten)
    assert shapes(network, torch.zeros(2, *MITTAL[1]), kinds) == [(32, 86, 89), (64, 28, 29), (32, 8, 9), (2304,)]


@pytest.mark.parametrize("network", [MITTAL], indirect=True)
def test_mittal_has_the_parameters_of_its_layers(network):
    assert count(network.conv1) == 1 * 5 * 5 * 32 + 32
    assert count(network.conv2) == 32 * 5 * 5 * 64 + 64
    assert count(network.conv3) == 64 * 5 * 5 * 32 + 32
    assert count(network.dense) == 1344 * 128 + 128
    assert count(network.output) == 128 * 8 + 8
    assert count(network) == 832 + 51264 + 51232 + 172160 + 1032
    assert [layer.p for layer in network.dropout] == [0.25, 0.5]


@pytest.mark.parametrize("network", [JIN], indirect=True)
def test_jin_has_the_shapes_of_its_table(network):
    """'same' keeps 400 frames; pooling by 8 leaves 50, then 6; 6 frames of 64 channels are 384 values."""
    kinds = (nn.Conv1d, nn.MaxPool1d, nn.Flatten, nn.Linear)
    assert shapes(network, torch.zeros(2, *JIN[1]), kinds) == [
        *[(256, 400)] * 2,
        (256, 50),
        *[(128, 50)] * 4,
        (128, 6),
        *[(64, 6)] * 2,
        *[(64, 6)] * 20,  # ten residual blocks of two
        (384,),
        (8,),
    ]


@pytest.mark.parametrize("network", [JIN], indirect=True)
def test_jin_has_the_parameters_of_its_layers(network):
    """A convolution of kernel 8 has in * 8 * out + out, batch normalisation 2 * channels."""
    assert count(network.conv256) == (12 * 8 * 256 + 256) + (256 * 8 * 256 + 256) + 2 * 256
    assert count(network.conv128) == (256 * 8 * 128 + 128) + 3 * (128 * 8 * 128 + 128) + 2 * 128
    assert count(network.conv64) == (128 * 8 * 64 + 64) + (64 * 8 * 64 + 64)
    assert count(network.residual) == 10 * 2 * (64 * 8 * 64 + 64)
    assert count(network.dense) == 384 * 8 + 8
    assert count(network) == 549888 + 656128 + 98432 + 656640 + 3080


@pytest.mark.parametrize("network", [JIN], indirect=True)
def test_an_even_kernel_pads_three_left_and_four_right_as_in_keras(network):
    """With kernel w, Keras's 'same' is y[t] = sum over k of w[k] x[t - 3 + k]: an impulse at 10 shows w backwards."""
    pad, conv = network.conv64[0], network.conv64[1]
    kernel = torch.arange(1.0, 9.0)
    with torch.no_grad():
        conv.weight.zero_()[0, 0] = kernel
        impulse = torch.zeros(1, 128, 20)
        impulse[0, 0, 10] = 1
        response = conv(pad(impulse))[0, 0]
    expected = torch.zeros(20)
    expected[6:14] = kernel.flip(0)
    assert torch.equal(response, expected)


@pytest.mark.parametrize("network", [JIN], indirect=True)
def test_a_residual_block_adds_after_its_last_relu(network):
    block, x = network.residual[0], torch.randn(4, 64, 6)
    with torch.no_grad():
        assert (block(x) >= x).all()  # what is added is never negative ...
        assert (block(x) < 0).any()  # ... and the sum is not cut off, as ResNet's would be
        block.conv2[1].weight.zero_()
        assert torch.equal(block(x), x)


@pytest.mark.parametrize("network", [JIN, MITTAL], indirect=True)
def test_weights_start_as_in_keras(network):
    """Glorot uniform: limit sqrt(6 / (fan_in + fan_out)), a fan being kernel size times channels; biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            size = layer.weight[0, 0].numel()
            limit = (6 / (size * (layer.in_channels + layer.out_channels))) ** 0.5
            assert 0.9 * limit < layer.weight.abs().max() <= limit
            assert not layer.bias.any()
        if isinstance(layer, nn.BatchNorm1d):
            assert (layer.momentum, layer.eps) == (0.01, 1e-3)


@pytest.mark.parametrize("network", [BILSTM], indirect=True)
def test_the_bilstm_has_two_layers_of_two_directions(network):
    """A direction of width h on d inputs has four gates of d + h weights and, in torch, two biases: 4h(d + h + 2)."""
    assert count(network.lstm) == 2 * 4 * 128 * (128 + 128 + 2) + 2 * 4 * 128 * (256 + 128 + 2)
    assert count(network.linear) == 256 * 8 + 8
    assert count(network) == 264192 + 395264 + 2056
    assert network.dropout.p == 0.5


@pytest.mark.parametrize("network", [BILSTM], indirect=True)
def test_the_bilstm_classifies_by_the_last_state_of_each_direction(network):
    frames = torch.randn(3, 30, 128)
    with torch.inference_mode():
        outputs, _ = network.lstm(frames)
        last = torch.cat([outputs[:, -1, :128], outputs[:, 0, 128:]], dim=1)  # backwards, the first frame comes last
        torch.testing.assert_close(network(frames), network.linear(last))


@pytest.mark.parametrize("network", [FASTAI], indirect=True)
def test_fastais_head_joins_means_and_maxima_and_has_two_layers(network):
    """512 channels give 1024 values; batch normalisations have 2 * width, linear layers no bias."""
    kinds = (nn.BatchNorm1d, nn.Dropout, nn.Linear, nn.ReLU)
    head = network.fc
    assert shapes(head, torch.randn(2, 1024), kinds) == [(1024,), (1024,), (512,), (512,), (512,), (512,), (8,)]
    assert [type(layer) for layer in head] == [
        *(nn.BatchNorm1d, nn.Dropout, nn.Linear, nn.ReLU),
        *(nn.BatchNorm1d, nn.Dropout, nn.Linear),
    ]
    assert count(head) == 2 * 1024 + 1024 * 512 + 2 * 512 + 512 * 8 == 531456
    assert [layer.p for layer in head if isinstance(layer, nn.Dropout)] == [0.25, 0.5]
    assert count(network) == 21797672 - (512 * 1000 + 1000) + 531456  # torchvision publishes 21797672 for 1000 classes
    maps = torch.randn(2, 512, 4, 5)
    found = network.avgpool(maps)
    assert torch.equal(found, torch.cat([maps.flatten(2).mean(2), maps.flatten(2).max(2).values], 1))


@pytest.mark.parametrize("network", [FASTAI], indirect=True)
def test_fastais_head_is_drawn_with_kaimings_deviation(network):
    """sqrt(2 / inputs) (He et al. 2015)."""
    with torch.inference_mode():
        assert network.fc[2].weight.std() == pytest.approx((2 / 1024) ** 0.5, rel=0.02)
        assert network.fc[6].weight.std() == pytest.approx((2 / 512) ** 0.5, rel=0.05)
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 8)


# The linear head on encoders


def test_the_linear_head_takes_the_mean_over_frames_that_are_no_filling():
    torch.manual_seed(0)
    head = models.build({"module": "linear", "hidden_size": 4}, 8, (6, 3)).eval()
    assert count(head) == 3 * 4 + 4 + 4 * 8 + 8
    frames = torch.randn(2, 6, 3)
    frames[0, 2:] = 0
    with torch.inference_mode():
        expected = [
            head.output(torch.stack([torch.relu(head.hidden(frame)) for frame in item]).mean(0))
            for item in (frames[0, :2], frames[1])
        ]
        torch.testing.assert_close(head(frames), torch.stack(expected))


def test_the_linear_head_learns_a_weight_for_each_layer():
    torch.manual_seed(0)
    head = models.build({"module": "linear", "hidden_size": 4, "weighted": True}, 8, (5, 3))
    layers = torch.randn(2, 5, 3)
    start = head.output(torch.relu(head.hidden(layers.mean(1))))  # all layers weigh the same at first
    torch.testing.assert_close(head(layers), start)
    with torch.no_grad():
        head.weights[3] = 50.0
    torch.testing.assert_close(head(layers), head.output(torch.relu(head.hidden(layers[:, 3]))))
    head(layers).sum().backward()
    assert head.weights.grad is not None
