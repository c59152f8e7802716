"""Six convolutions down to one pixel and six transposed ones back up, on 64 x 64 images."""

from __future__ import annotations

from itertools import pairwise

from profkit.errors import UsageError
from profkit.options import Option, Options
from profkit.spec import Layer, Network, Workload
from profkit.workloads import batch_norm2d, conv2d


def _channels(nf: int, nz: int, size: int) -> list[int]:
    """Channels after each halving of the image: 3, nf, 2 nf, 4 nf, 8 nf, 8 nf, ..., nz at one pixel."""
    halvings = size.bit_length() - 1
    if size != 2**halvings or halvings < 2:
        raise UsageError(f"option size is {size}", "it is a power of two from 4: the image is halved down to one pixel")
    return [3, *(nf * 2 ** min(stage, 3) for stage in range(halvings - 1)), nz]


def build(options: Options) -> Network:
    """The network for `nf`, `nz` and `size`; without batch norm at its first, its middle and its last layer."""
    size = int(options["size"])
    channels = _channels(int(options["nf"]), int(options["nz"]), size)
    steps = list(pairwise(channels))
    layers: list[Layer] = []
    for stage, (before, after) in enumerate(steps, start=1):
        layers.append(conv2d(f"encoder.conv{stage}", before, after, 4, stride=2, padding=1, bias=False))
        if 1 < stage < len(steps):
            layers.append(batch_norm2d(f"encoder.bn{stage}", after))
        if stage < len(steps):
            layers.append(Layer(f"encoder.relu{stage}", "relu"))
    for stage, (after, before) in enumerate(reversed(steps), start=1):
        path = f"decoder.conv{stage}"
        layers.append(conv2d(path, before, after, 4, stride=2, padding=1, bias=False, kind="conv_transpose2d"))
        if stage < len(steps):
            layers += (batch_norm2d(f"decoder.bn{stage}", after), Layer(f"decoder.relu{stage}", "relu"))
    layers.append(Layer("decoder.tanh", "tanh"))
    recipe = {"lr": 1e-4, "beta1": 0.5, "beta2": 0.999, "weight_decay": 0.0}
    return Network(
        (3, size, size),
        tuple(layers),
        "l1",
        "adam",
        recipe,
        target="inputs",
        initialization="normal",
        mean=3 * (0.5,),
        deviation=3 * (0.5,),
    )


CONV_AUTOENCODER = Workload(
    name="conv_autoencoder",
    summary="six convolutions down to one pixel and six transposed back on 3x64x64; L1, Adam",
    dataset="celeba",
    batch_size=64,
    options={
        "nf": Option(64, "channels of the first layer"),
        "nz": Option(512, "numbers that an image is squeezed into"),
        "size": Option(64, "side of the image, a power of two", least=4),
    },
    build=build,
)
