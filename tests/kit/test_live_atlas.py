"""The maps to walk over: t-SNE in the page against autograd and scikit-learn, and the walk."""

import numpy as np
import pytest
import torch
from live_helpers import call, tensor
from sklearn import manifold
from sklearn.manifold import _t_sne

from coursekit.live import atlas
from dlvlib import data, metrics

pytestmark = pytest.mark.browser
_, TEST = data.load("digits")
TEST = TEST.subset(torch.arange(80))
PIXELS = TEST.images.flatten(1).double()
DRAW = torch.Generator().manual_seed(0)
FEATURES = torch.tanh(
    PIXELS @ torch.randn(64, 84, generator=DRAW, dtype=torch.double) / PIXELS.norm(dim=1).max()
)
SPACES = {"pixels": PIXELS, "untrained": FEATURES, "trained": FEATURES[:, :20]}


def pca(points):
    u, s, _ = torch.linalg.svd(points - points.mean(dim=0), full_matrices=False)
    return (u * s)[:, :2]


SHADOWS = {name: 1000 * pca(points / points.norm()) for name, points in SPACES.items()}
FIGURE = atlas.figure(TEST.images, TEST.targets, SPACES, SHADOWS, SHADOWS)


def probabilities(page, points, perplexity):
    body = """const n = argument.points.length;
        const squares = figure.squaredDistances(argument.points);
        const probs = figure.neighbourProbabilities(squares, n, argument.perplexity);
        return [[...squares], [...probs], [...figure.jointProbabilities(probs, n)]];"""
    found = call(page, "atlas", body, {"points": points.tolist(), "perplexity": perplexity})
    return (tensor(part).view(len(points), -1) for part in found)


@pytest.mark.parametrize(("perplexity", "scale"), [(2, 1.0), (5, 1e-3), (30, 1e4)])
def test_widths_give_the_perplexity_and_the_formula_of_the_page(page, perplexity, scale):
    points = scale * PIXELS
    squares, probs, joint = probabilities(page, points, perplexity)
    torch.testing.assert_close(squares, torch.cdist(points, points) ** 2)
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(len(points), dtype=torch.double))
    entropy = -torch.special.xlogy(probs, probs).sum(dim=1)
    torch.testing.assert_close(
        entropy.exp(), torch.full_like(entropy, perplexity), rtol=1e-6, atol=0
    )
    # A softmax over negative squared distances: log-odds are differences of distances / 2 sigma².
    near = (probs[0] > 1e-200).nonzero()[:, 0]
    logs, gaps = (values[0, near[1:]] - values[0, near[0]] for values in (probs.log(), squares))
    slopes = logs / gaps
    torch.testing.assert_close(slopes, slopes[:1].expand_as(slopes))
    torch.testing.assert_close(joint, (probs + probs.T) / (2 * len(points)))


def divergence(points, joint):
    near = 1 / (1 + ((points[:, None] - points[None]) ** 2).sum(dim=2))
    pairs = ~torch.eye(len(points), dtype=torch.bool)
    q = near[pairs] / near[pairs].sum()
    return (joint[pairs] * (joint[pairs] / q).log()).sum()


def test_the_gradient_agrees_with_autograd(page):
    points = torch.randn(80, 2, generator=DRAW, dtype=torch.double, requires_grad=True)
    *_, joint = probabilities(page, PIXELS, 10)
    (expected,) = torch.autograd.grad(divergence(points, joint), points)
    argument = [points.flatten().tolist(), joint.flatten().tolist()]
    gradient = call(page, "atlas", "return [...figure.gradientOf(...argument)];", argument)
    torch.testing.assert_close(tensor(gradient).view(80, 2), expected, rtol=1e-7, atol=1e-12)


def test_the_descent_is_that_of_scikit_learn(page):
    *_, joint = probabilities(page, PIXELS, 10)
    start = 1e-4 * SHADOWS["pixels"] / SHADOWS["pixels"][:, 0].std()
    body = """const walk = figure.descent(argument.joint, argument.start);
        const states = [];
        for (let k = 1; k <= 750; k += 1) {
            walk.step();
            if (k === 20 || k === 750) states.push([...walk.points]);
        }
        const n = argument.start.length;
        const pairs = argument.start.map((_, i) => [...walk.points.slice(2 * i, 2 * i + 2)]);
        const near = figure.nearestOf(figure.squaredDistances(pairs), n, 10);
        return [...states, figure.neighbourAccuracy(near, argument.targets)];"""
    argument = {"joint": joint.flatten().tolist(), "start": start.tolist()}
    argument["targets"] = TEST.targets.tolist()
    early, late, score = call(page, "atlas", body, argument)
    above = np.triu_indices(80, 1)
    expected, *_ = _t_sne._gradient_descent(
        _t_sne._kl_divergence,
        *(start.flatten().numpy(), 0, 20),
        args=(12 * joint.numpy()[above], 1, 80, 2),
        **{"momentum": 0.5, "learning_rate": 50.0},
    )
    assert early == pytest.approx(expected.tolist(), abs=1e-6)
    tsne = manifold.TSNE(perplexity=10, init=start.numpy(), method="exact", max_iter=750)
    tsne.fit(PIXELS.numpy())
    flat = tensor(late).view(80, 2)  # after 20 steps rounding decides the way
    assert divergence(flat, joint) < 1.3 * tsne.kl_divergence_
    assert score == pytest.approx(metrics.neighbor_accuracy(flat, TEST.targets))


def test_a_reader_walks_over_the_maps_and_makes_them_again(page, reader):
    stage = reader.open(FIGURE, width=900).stage
    left, right = stage.get_by_role("application").all()
    targets = TEST.targets.tolist()
    nearest = {
        name: torch.cdist(points, points).fill_diagonal_(torch.inf).topk(5, largest=False).indices
        for name, points in SPACES.items()
    }

    def chosen():
        number = int(reader.words().split()[1].rstrip(",")) - 1
        digits = ", ".join(str(targets[i]) for i in nearest["pixels"][number])
        assert f"digit {targets[number]}. Nearest by pixels: {digits};" in reader.words()
        label = right.get_attribute("aria-label")
        assert f"chosen: scan {number + 1}, digit {targets[number]}" in label
        return number

    first = chosen()
    left.press("ArrowRight")
    second = chosen()
    gaps = SHADOWS["pixels"] - SHADOWS["pixels"][first]
    ahead = (gaps[:, 0] > 0) & (gaps[:, 0] >= gaps[:, 1].abs())
    assert second == gaps.norm(dim=1).where(ahead, torch.inf).argmin()
    both = set(nearest["pixels"][second].tolist()) & set(nearest["trained"][second].tolist())
    assert reader.words().endswith(f"In both lists: {len(both)} of 5.")
    box = right.locator("text").nth(7).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    near = (SHADOWS["trained"] - SHADOWS["trained"][chosen()]).norm(dim=1)
    assert near[7] <= near.sort().values[2]  # numerals may overlap
    assert stage.locator("rect").count() == stage.locator("circle[r='11']").count() == 2 * 5

    title = stage.get_by_text("neighbour accuracy").first
    score = metrics.neighbor_accuracy(SHADOWS["pixels"], TEST.targets)
    assert title.inner_text() == f"Pixels: neighbour accuracy {score:.2f}"
    assert reader.slide("step", 0) == "0 of 750"
    assert title.inner_text() == f"Pixels: neighbour accuracy {score:.2f}"  # the same shadow
    reader.press("Play t-SNE")
    assert reader.slide("step") == "750 of 750"
    assert title.inner_text() != f"Pixels: neighbour accuracy {score:.2f}"
    reader.slide("step", 100)
    assert "neighbours are pulled together 12 times" in stage.inner_text()
    for name, value in {"perplexity": "2", "starting from": "random", "left map": "1"}.items():
        reader.choose(name, value)
    assert title.inner_text().startswith("Untrained")
    reader.press("Back to")
    assert reader.slide("step") == "the page's maps, perplexity 30"

    assert f"<td>{score:.2f}</td>" in FIGURE.html


def test_play_moves_five_steps_a_frame_until_paused_and_jumps_without_motion(page):
    page.goto("about:blank")  # with real frames again
    page.set_content(FIGURE.html)
    shown = page.evaluate("""async () => {
        const frames = async (count) => {
            for (let i = 0; i < count; i += 1) await new Promise(requestAnimationFrame);
        };
        const stage = document.querySelector(".dlv-live-stage");
        const play = stage.querySelector("button"); // the first one
        const step = stage.querySelector("input[type=range]");
        const seen = [];
        play.click();
        await frames(4);
        seen.push(play.textContent, Number(step.value));
        play.click();
        await frames(1);
        seen.push(play.textContent, Number(step.value));
        await frames(4);
        return [...seen, Number(step.value)];
    }""")
    assert shown[0] == "Pause" and shown[2] == "Play t-SNE"
    assert 0 < shown[1] <= 4 * 5
    assert shown[3] == shown[4] <= 5 * 5
    page.emulate_media(reduced_motion="reduce")
    page.set_content(FIGURE.html)
    stage = page.locator(".dlv-live-stage")
    before = stage.locator("svg text").first.get_attribute("x")
    stage.get_by_role("button", name="Play t-SNE").press("Enter")
    stage.get_by_text("750 of 750").wait_for()
    assert stage.locator("svg text").first.get_attribute("x") != before
    page.emulate_media(reduced_motion="no-preference")
