"""What the layers of a network put out and hold."""

import torch


def shapes(network, batch, kinds):
    """Return the output shape, without the batch, of each layer of the given kinds, in order."""
    found = []

    def note(_layer, _inputs, output):
        output = output[0] if isinstance(output, tuple) else output  # an LSTM gives its states too
        found.append(tuple(output.shape[1:]))

    for layer in network.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(note)
    with torch.inference_mode():
        logits = network(batch)
    assert (logits.ndim, len(logits)) == (2, len(batch))
    return found


def count(layer):
    """Return the number of a layer's parameters."""
    return sum(parameter.numel() for parameter in layer.parameters())
