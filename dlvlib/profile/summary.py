"""A network as a table: what every layer costs for one image, and what it sees.

Parameters are those of the modules, each counted once, where it is first used. 1 MAC = 2 FLOPs
and a bias = 1 FLOP, as in `dlvlib.profile.cost`; MACs are those of dense and convolutional layers.
"""

from dataclasses import dataclass
from html import escape

from torch import nn
from torch.nn.parameter import is_lazy

from dlvlib._common import table, times
from dlvlib.profile.cost import LayerCost
from dlvlib.profile.receptive_field import follow
from dlvlib.profile.rules import effect_of
from dlvlib.profile.trace import trace

HEADER = ("layer", "kind", "output shape", "params", "MACs", "FLOPs", "bytes", "receptive field")
SUMS = ("params", "param_bytes", "macs", "flops", "comparisons", "output_bytes")


@dataclass(frozen=True, kw_only=True)
class LayerSummary(LayerCost):
    """The cost of one layer, or of one operation such as the sum of a residual block.

    The receptive field is (height, width) in pixels, or None where there is no single one. Of a
    flattened map it is that of all its values together.
    """

    name: str
    kind: str
    receptive_field: tuple[int, int] | None

    def cells(self) -> tuple[str, ...]:
        shape, sees = times(self.output_shape), shown_pair(self.receptive_field)
        return (self.name, self.kind, shape, *_counts(self), sees)


@dataclass(frozen=True)
class Summary:
    """The layers of a network in the order they ran, and the sums over them.

    It prints as a table. `unused_params` are those that the forward pass never touched, such as
    auxiliary heads; they are in no sum.
    """

    title: str
    layers: tuple[LayerSummary, ...]
    unused_params: int
    params: int
    param_bytes: int
    macs: int
    flops: int
    comparisons: int
    output_bytes: int

    def _totals(self) -> tuple[str, ...]:
        return ("total", "", "", *_counts(self), "")

    def _note(self) -> str:
        unused = f"; {self.unused_params:,} more parameters unused" if self.unused_params else ""
        return f"Per image; 1 MAC = 2 FLOPs, a bias = 1 FLOP{unused}."

    def __str__(self) -> str:
        rows = [HEADER, *(layer.cells() for layer in self.layers), self._totals()]
        lines = table(rows, num_left=3)
        rule = "-" * max(map(len, lines))
        return "\n".join([self.title, lines[0], rule, *lines[1:-1], rule, lines[-1], self._note()])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in HEADER)
        body = "".join(_html_row(layer.cells()) for layer in self.layers)
        return (
            f'<table class="dlv-summary">'
            f"<caption>{escape(self.title)}. {escape(self._note())}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
            f"<tfoot>{_html_row(self._totals())}</tfoot></table>"
        )


def summarize(model: nn.Module, input_shape: tuple[int, int, int]) -> Summary:
    """What each layer of a network costs for one image, in eval mode.

    Nothing is computed and the model is not changed; only shapes go through it.

    Args:
        model: called on one batch of images.
        input_shape: (C, H, W) of one image.

    Raises:
        ValueError: if there is no cost rule for an operation, or the network cannot be traced
            (see `trace`).

    >>> summary = summarize(nn.Sequential(nn.Flatten(), nn.Linear(784, 256)), (1, 28, 28))
    >>> print(summary)
    Sequential on a 1x28x28 image
    layer  kind     output shape   params     MACs    FLOPs  bytes  receptive field
    -------------------------------------------------------------------------------
    0      Flatten  784                 0        0        0  3,136               28
    1      Linear   256           200,960  200,704  401,664  1,024               28
    -------------------------------------------------------------------------------
    total                         200,960  200,704  401,664  4,160
    Per image; 1 MAC = 2 FLOPs, a bias = 1 FLOP.
    """
    layers: list[LayerSummary] = []
    used: dict[str, int] = {}
    steps = trace(model, input_shape)
    for step, fields in zip(steps, follow(steps), strict=True):
        new = {name: count for name, count in step.params.items() if name not in used}
        used |= new
        layers.append(
            LayerSummary(
                **vars(effect_of(step).cost) | {"params": sum(new.values())},
                name=step.layer,
                kind=step.kind,
                receptive_field=(fields[0].size, fields[1].size) if fields else None,
            )
        )
    unused = (p for name, p in model.named_parameters() if name not in used and not is_lazy(p))
    return Summary(
        title=f"{type(model).__name__} on a {times(input_shape)} image",
        layers=tuple(layers),
        unused_params=sum(parameter.numel() for parameter in unused),
        **{name: sum(getattr(layer, name) for layer in layers) for name in SUMS},
    )


def _counts(row: LayerSummary | Summary) -> list[str]:
    return [f"{n:,}" for n in (row.params, row.macs, row.flops, row.output_bytes)]


def shown_pair(pair: tuple[int, int] | None) -> str:
    """Return (height, width) as one number where they are equal, - for None."""
    return "-" if pair is None else times(pair[:1] if pair[0] == pair[1] else pair)


def _html_row(cells: tuple[str, ...]) -> str:
    first, *others = map(escape, cells)
    return f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{c}</td>" for c in others) + "</tr>"
