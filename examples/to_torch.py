"""
A fitted network as a torch module
==================================

For what torch has and we have not: a GPU, other training, tools that ask for gradients. `to_torch` is to be copied.

Run with ``python examples/to_torch.py``; needs torch.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits

from skfastnn import FastReLUClassifier


def to_torch(network):
    """Return the layers up to the output before its activation, for rows as the network sees them.

    Where there is an encoder, rows go through ``network.encoder_.transform`` first.
    """
    layers = []
    for W, c in zip(network.coefs_, network.intercepts_, strict=True):
        linear = torch.nn.utils.skip_init(torch.nn.Linear, *W.shape, dtype=torch.from_numpy(W).dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T.copy()))
            linear.bias.copy_(torch.from_numpy(c.copy()))
        layers += [torch.nn.ReLU(), linear]
    return torch.nn.Sequential(*layers[1:])


def main():
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    network = FastReLUClassifier(hidden_layer_sizes=(512,), random_state=0).fit(X, y)
    module = to_torch(network)
    rows = X if network.encoder_ is None else network.encoder_.transform(X)
    with torch.no_grad():
        raw = module(torch.from_numpy(rows)).numpy()
    print(module)
    print(f"largest difference: {np.abs(raw - network.decision_function(X)).max():.1e} of {np.abs(raw).max():.1f}")


if __name__ == "__main__":
    main()
