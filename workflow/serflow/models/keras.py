"""Initial weights as in Keras, with which some of the papers were written."""

from __future__ import annotations

from torch import nn


def initialise_as_keras(network: nn.Module) -> None:
    """Draw weights as Keras does unless told otherwise: Glorot uniform, bias 0; of an LSTM see `_initialise_lstm`."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.LSTM):
            _initialise_lstm(layer)


def _initialise_lstm(layer: nn.LSTM) -> None:
    """Glorot uniform over the four gates' input weights together, orthogonal recurrent weights, forget bias 1."""
    for name, weight in layer.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight)
        elif name.startswith("weight_hh"):
            nn.init.orthogonal_(weight)
        else:
            nn.init.zeros_(weight)
            if name.startswith("bias_ih"):  # torch has two biases, which it adds; the second gate is the forget gate
                nn.init.ones_(weight[layer.hidden_size : 2 * layer.hidden_size])
