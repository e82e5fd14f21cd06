"""The usual mistakes when the costs of a layer are counted, each as the number it leads to.

Some mistakes change nothing for some layers, for instance a forgotten padding of 0;
`hints.distinct` drops these.
"""

from math import prod
from typing import Any

from coursekit.checks.layers.variants import Layers
from dlvlib.profile import cost
from dlvlib.profile.cost import LayerCost, Shape

Mistakes = dict[str, list[tuple[Any, str]]]  # quantity: (wrong answer, hint)

NO_BIAS_PARAMS = "The biases are missing: one for each output unit or output channel."
ONE_BIAS = "There is one bias for each output unit or channel, not one for the whole layer."
MACS = "Those are MACs; 1 MAC = 2 FLOPs, and the biases come on top."
STRICT = (
    "The biases are missing, or you counted n - 1 sums for n products: here 1 MAC = 2 FLOPs and "
    "each bias 1 more."
)
PARAMS = "That is the number of parameters; each weight takes part in at least one MAC, 2 FLOPs."
CHANNELS_LAST = "The channels come first: (channels, height, width)."
BATCH = "Leave the axis of the batch out: the shape is that for one image."
ONE_ROW = "That is for one row; the layer reads all values of the image."
INDEPENDENT = "Each layer is applied to the image, not to the output of the one before."
INPUT_CHANNELS = "Those are the input channels; each kernel writes one output channel."
FIRST_PLACE = "Count the first place too: that is the + 1 of the formula."
BOTH_SIDES = "The padding lies on both sides of an axis."
NO_CHANNELS = "The channels are missing: a kernel reaches through all input channels."


def mistakes_of(layers: Layers) -> dict[str, Mistakes]:
    """Of each layer, by its name in `Layers.costs`."""
    return {
        "dense": of_dense(layers.image, layers.units),
        "conv": _of_conv(layers),
        "pool": _of_pool(layers),
    }


def of_dense(input_shape: Shape, units: int) -> Mistakes:
    """Of a dense layer with biases."""
    right = cost.linear(input_shape, units)
    plain = cost.linear(input_shape, units, bias=False)
    one_channel = cost.linear(input_shape[1:] or input_shape, units)
    one_row = cost.linear(input_shape[-1:], units)
    values = prod(input_shape)
    return {
        "params": [
            (plain.params, NO_BIAS_PARAMS),
            (plain.params + 1, ONE_BIAS),
            (one_channel.params, "That is for one input channel; the layer reads them all."),
            (one_row.params, ONE_ROW),
            (right.flops, "Those are FLOPs; count the weights and the biases."),
            (right.param_bytes, "Those are bytes; give the number of parameters."),
            (units, "Those are the biases alone; where are the weights?"),
            (values + 1, "Those are the parameters of one unit."),
        ],
        "flops": [
            (right.macs, MACS),
            (plain.flops, STRICT),
            (plain.flops + 1, ONE_BIAS),
            (right.params, PARAMS),
            (one_channel.flops, "That is for one input channel; the layer reads them all."),
            (2 * right.params, "A bias is one sum, so 1 FLOP and not 2."),
        ],
        "shape": [
            ((*input_shape,), "That is the shape of the input."),
            ((1, units), BATCH),
            ((units, values), "That is the shape of the weights."),
            ((values, units), "That is the shape of the weights, transposed."),
            ((units, *input_shape[1:]), "A dense layer keeps no rows and columns."),
            ((values,), "That is how many values the layer reads; how many does it write?"),
        ],
        "bytes": _bytes(right, input_shape),
    }


def _of_conv(layers: Layers) -> Mistakes:
    """Of a convolution with biases."""
    image, kernel, channels = layers.image, layers.kernel_size, layers.image[0]

    def priced(image: Shape = image, **changed: int | bool) -> LayerCost:
        window: dict[str, Any] = {"stride": layers.stride, "padding": layers.padding} | changed
        return cost.conv2d(image, layers.kernels, kernel, **window)

    right, plain = priced(), priced(bias=False)
    values = prod(right.output_shape)
    one_channel, half = priced((1, *image[1:])), kernel // 2
    moved = {
        "The padding is forgotten.": priced(padding=0),
        "You padded by half a kernel; read again which padding is given.": priced(padding=half),
        "The stride is forgotten.": priced(stride=1),
    }
    return {
        "params": [
            (plain.params, NO_BIAS_PARAMS),
            (plain.params + 1, ONE_BIAS),
            (one_channel.params, NO_CHANNELS),
            (layers.kernels * (channels * kernel + 1), f"A kernel is {kernel} x {kernel} wide."),
            (values * (channels * kernel**2 + 1), "The same kernel is used at all places."),
            (right.flops, "Those are FLOPs; count the weights and the biases."),
            (right.param_bytes, "Those are bytes; give the number of parameters."),
            (channels * kernel**2 + 1, "Those are the parameters of one kernel."),
        ],
        "flops": [
            (right.macs, MACS),
            (plain.flops, STRICT),
            (plain.flops + layers.kernels, "Each bias is added at every place of its map."),
            (right.macs + values, "A MAC is two operations, a product and a sum: 2 FLOPs."),
            (one_channel.flops, NO_CHANNELS),
            (right.params, PARAMS),
            (2 * plain.params + layers.kernels, "That is for one place; a kernel visits many."),
            *((other.flops, hint) for hint, other in moved.items()),
        ],
        "shape": [
            ((*right.output_shape[1:], layers.kernels), CHANNELS_LAST),
            (right.output_shape[1:], "The axis of the channels is missing."),
            *((other.output_shape, hint) for hint, other in moved.items()),
            ((channels, *right.output_shape[1:]), INPUT_CHANNELS),
            ((layers.kernels, *(n - 1 for n in right.output_shape[1:])), FIRST_PLACE),
            ((layers.kernels, *(_one_sided(n, layers) for n in image[1:])), BOTH_SIDES),
            ((1, *right.output_shape), BATCH),
        ],
        "bytes": [
            *_bytes(right, image),
            *((other.output_bytes, hint) for hint, other in moved.items()),
        ],
        "megabytes": [
            (right.output_bytes / 2**20, "That is in MiB, of 2^20 bytes; 1 MB is 10^6 bytes."),
            (right.output_bytes, "Those are bytes; give megabytes."),
            (right.output_bytes / 1e3, "That is in kB, of 1000 bytes; give megabytes."),
            (right.output_bytes / 2**10, "That is in KiB, of 1024 bytes; give megabytes."),
            (8 * right.output_bytes / 1e6, "Those are megabits; a byte has 8 bits."),
            (values / 1e6, "That is how many million values there are; each takes 4 bytes."),
        ],
    }


def _of_pool(layers: Layers) -> Mistakes:
    """Of a max pooling."""
    image, size = layers.image, layers.pool_size
    right = layers.costs()["pool"]
    stepped = cost.max_pool2d(image, size, stride=1)
    rounded = cost.max_pool2d(image, size, stride=layers.pool_stride, ceil_mode=True)
    values = prod(right.output_shape)
    no_weights = "A maximum has no weights: the window only decides where to look."
    stride, up = "The stride is forgotten.", "A window that does not fit is left out: round down."
    return {
        "params": [
            (size**2, no_weights),
            (image[0] * size**2, no_weights),
            (size**2 + 1, f"{no_weights} Nor is there a bias."),
            (values, "Those are the outputs; what would have to be learned?"),
        ],
        "flops": [
            (right.comparisons, "Those are comparisons; this course counts them apart."),
            (values * size**2, "A maximum multiplies and adds nothing; comparisons count apart."),
            (
                2 * values * size**2,
                "Those are the FLOPs of a convolution; a maximum only compares.",
            ),
            (values, "A maximum is neither a sum nor a product; comparisons count apart."),
        ],
        "comparisons": [
            (values * size**2, "The largest of n values is found with n - 1 comparisons."),
            (values, "One window needs more than one comparison."),
            (0, "Those are the FLOPs; here comparisons are asked for."),
            (right.comparisons // image[0], "That is one channel; each channel is pooled."),
            (stepped.comparisons, stride),
            (rounded.comparisons, up),
        ],
        "shape": [
            ((*right.output_shape[1:], image[0]), CHANNELS_LAST),
            (right.output_shape[1:], "The axis of the channels is missing."),
            (stepped.output_shape, stride),
            (rounded.output_shape, up),
            ((layers.kernels, *right.output_shape[1:]), INDEPENDENT),
            ((1, *right.output_shape), BATCH),
            ((1, *right.output_shape[1:]), "Each channel is pooled for itself; all remain."),
        ],
        "bytes": [
            *_bytes(right, image),
            (stepped.output_bytes, stride),
            (rounded.output_bytes, up),
        ],
    }


def _bytes(right: LayerCost, input_shape: Shape) -> list[tuple[Any, str]]:
    values, num_bytes = prod(right.output_shape), right.output_bytes
    return [
        (values, "Those are values; each takes 4 bytes."),
        (8 * num_bytes, "Those are bits; a byte has 8."),
        (2 * num_bytes, "Those would be doubles; a float takes 4 bytes."),
        (right.param_bytes, "That is what the parameters take; the output is asked for."),
        (4 * prod(input_shape), "That is what the input takes; the output is asked for."),
        (num_bytes / 10**6, "That is in MB or MiB; give bytes."),
        (num_bytes / 2**20, "That is in MB or MiB; give bytes."),
        (num_bytes / 10**3, "That is in kB or KiB; give bytes."),
        (num_bytes / 2**10, "That is in kB or KiB; give bytes."),
        (4 * prod(right.output_shape[1:]), "That is one unit or channel; there are several."),
    ]


def _one_sided(size: int, layers: Layers) -> int:
    return (size + layers.padding - layers.kernel_size) // layers.stride + 1
