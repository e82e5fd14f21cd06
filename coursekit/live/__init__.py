"""Live figures: plain HTML and a small script inside the cell's output; no kernel, no network.

Each figure is one ES module beside this file. It exports ``mount(stage, data)``, which draws into
an empty element with the helpers of ``common.js``, and of the modules that `NEEDS` names.
Without JavaScript, and on paper, the reader sees the fallback instead.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from numpy.typing import NDArray

FOLDER = Path(__file__).parent
NEEDS = {  # figure: the modules that it shares with others, beside common.js
    **dict.fromkeys(("convolution", "layer_cost", "pooling"), ("windows",)),
    "pad": ("ink", "drawing", "probability", "forward"),
    "microscope": ("windows", "ink", "drawing", "probability", "picture_file", "forward", "maps"),
    "shapes": ("program", "layer_rules"),
    "atlas": ("drawing", "tsne"),
    **dict.fromkeys(("softmax", "reliability", "scores"), ("probability",)),
    "laboratory": ("backward", "trial", "student", "recipe", "bands"),
    "degradation": ("drawing",),
}
SHARED = {"common", *(part for parts in NEEDS.values() for part in parts)}
NAMES = sorted(path.stem for path in FOLDER.glob("*.js") if path.stem not in SHARED)

# No ids: a script takes every figure of its name that is not mounted yet, so the text of the
# output is the same at every run and a page may hold a figure more than once.
PAGE = Template("""<div class="dlv-live" data-live="$name">
<style>
.text_html:has(> .dlv-live) { background: none !important; }
.dlv-live {
  color: var(--pst-color-text-base, #1F2933);
  background: var(--pst-color-background, #FFFFFF);
}
.dlv-live {
  --dlv-resnet: #0072B2; --dlv-vgg: #C65200; --dlv-googlenet: #007F5C;
  --dlv-xception: #B0568C; --dlv-alexnet: #1F2933; --dlv-lenet: #6B7280;
}
html[data-theme="dark"] .dlv-live {
  --dlv-resnet: #56B4E9; --dlv-vgg: #F0914A; --dlv-googlenet: #3FBF95;
  --dlv-xception: #E08FC0; --dlv-alexnet: #CED6DD; --dlv-lenet: #9CA3AF;
}
.dlv-live * { color: inherit; }
.dlv-live [hidden] { display: none; }
.dlv-live-fallback { overflow-x: auto; }
@media print {
  .dlv-live .dlv-live-stage { display: none; }
  .dlv-live .dlv-live-fallback[hidden] { display: block; }
}
</style>
<div class="dlv-live-stage" hidden></div>
<div class="dlv-live-fallback">$fallback</div>
<script type="application/json">$data</script>
<script type="module">
$source
for (const figure of document.querySelectorAll('[data-live="$name"]:not([data-mounted])')) {
  figure.dataset.mounted = "";
  const stage = figure.querySelector(".dlv-live-stage");
  mount(stage, JSON.parse(figure.querySelector('script[type="application/json"]').textContent));
  stage.hidden = false;
  figure.querySelector(".dlv-live-fallback").hidden = true;
}
</script>
</div>""")


@dataclass(frozen=True)
class LiveFigure:
    """A live figure; a notebook shows it when it is the last value of a cell."""

    name: str
    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.html


def show(name: str, data: dict[str, Any], fallback: str) -> LiveFigure:
    """Return the live figure `name`, fed with `data`.

    Args:
        name: the figure's module, ``coursekit/live/<name>.js``.
        data: what its ``mount(stage, data)`` expects; anything that JSON can hold.
        fallback: HTML with the same facts without JavaScript and in print; see `table`.

    Raises:
        ValueError: if there is no such figure, the fallback is empty, or the data holds a number
            that JSON cannot hold (NaN, infinity).
        TypeError: if the data holds something else that JSON cannot hold.
    """
    source = module(name)
    if not fallback.strip():
        raise ValueError("fallback must describe the figure without JavaScript, got ''")
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")  # no tag ends the script
    return LiveFigure(
        name, PAGE.substitute(name=name, fallback=fallback, data=text, source=source)
    )


def module(name: str) -> str:
    """Return the source of the ES module of figure `name`: the helpers, then the figure."""
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    parts = ("common", *NEEDS.get(name, ()), name)
    return "\n".join((FOLDER / f"{p}.js").read_text(encoding="utf8") for p in parts).strip()


def encode(values: NDArray[Any], form: str) -> str:
    """Return numbers as bytes in base64; `form` is a type of NumPy, such as "u1" or "<f2"."""
    return b64encode(values.astype(form).tobytes()).decode()


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table of plain text, for a fallback; the first cell of a row names it."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = []
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        body.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    return (
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )
