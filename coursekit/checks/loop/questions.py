"""Exercise 4: planted bugs of training and evaluation loops, to be named and fixed."""

from collections.abc import Callable
from functools import partial
from typing import Any

from coursekit.checks.engine.functions import FunctionQuestion
from coursekit.checks.engine.questions import ChoiceQuestion, Question
from coursekit.checks.loop import mistakes as loops
from coursekit.checks.loop.mistakes import make_batches, make_epoch, make_evaluate, make_step

BUGS = {  # the word that names a bug: what it is
    "zero_grad": "the gradients of earlier steps are not cleared",
    "softmax": "the loss receives probabilities instead of logits",
    "order": "forward, backward and step come in the wrong order",
    "graph": "losses are added up together with their graphs",
    "mode": "the network is in the wrong mode, train or eval",
    "no_grad": "a graph is recorded although nobody needs a gradient",
    "axis": "the largest logit is looked for along the wrong axis",
    "batch means": "a smaller batch weighs as much as a full one",
    "shuffle": "images and targets are shuffled differently",
    "last batch": "the images of the last batch are left out",
}


def _name(bugs: set[str], praise: str, hints: dict[str, str]) -> ChoiceQuestion:
    """A question for a set of bugs; `hints` explains why another word does not belong to it."""
    others = "There is another" if len(bugs) == 2 else f"There are {len(bugs) - 1} more"
    parts = {
        frozenset([bug]): f"{bug!r} is one of them. {others}: read the other lines too."
        for bug in sorted(bugs)
    }
    more = {frozenset({*bugs, bug}): hint for bug, hint in hints.items()}
    alone = {frozenset([bug]): hint for bug, hint in hints.items()}
    return ChoiceQuestion(frozenset(bugs), tuple(BUGS), praise, {**alone, **more, **parts})


_RIGHT = make_step("zero", "backward", "step")


def _epoch_of(*calls: str, **changes: bool) -> Callable[..., Any]:
    return make_epoch(make_step(*calls, **changes))


def _changed(change: Callable[[float, float], Any]) -> Callable[..., Any]:
    """An evaluation whose (loss, top-1) is changed before it is returned."""
    return lambda net, batches: change(*make_evaluate()(net, batches))


QUESTIONS: dict[str, Question] = {
    "step_bugs": _name(
        {"zero_grad", "softmax"},
        "Neither of them raises anything.",
        {
            "order": "The order is right: backward computes the gradients, step uses them.",
            "graph": ".item() takes the number out of its graph.",
            "mode": "One step may leave the mode to its caller.",
        },
    ),
    "step": FunctionQuestion(
        signature="train_step(net, optimizer, images, targets)",
        reference=_RIGHT,
        draw=partial(loops.draw_batches, sizes=(12, 9)),
        observe=loops.watch_steps,
        rounds=3,
        praise="Two steps of yours move the weights as two steps of the reference do.",
        hints={
            make_step("backward", "step", softmax=True): "Both bugs are still there.",
            make_step("backward", "step"): "The gradients of the first step are still there in "
            "the second.",
            make_step("zero", "backward", "step", softmax=True): "The loss still receives "
            "probabilities.",
            make_step("zero", "step", "backward"): "The weights never move: step comes after "
            "backward, with no zero_grad between.",
            make_step("step", "zero", "backward"): "It steps before backward, with the gradients "
            "of the step before.",
            make_step("zero", "backward", "step", graph=True): "It returns a tensor that holds "
            "the graph; return a number.",
        },
    ),
    "epoch_bugs": _name(
        {"order", "graph"},
        "The order stops the learning; the sum keeps its graphs.",
        {
            "zero_grad": "zero_grad is called in each step. Ask what happens after it.",
            "batch means": "Each loss is multiplied by its number of images.",
            "mode": "The first line sets the mode.",
            "no_grad": "Training needs the gradients.",
        },
    ),
    "epoch": FunctionQuestion(
        signature="train_epoch(net, optimizer, batches)",
        reference=make_epoch(_RIGHT),
        draw=loops.draw_batches,
        observe=loops.watch_epoch,
        rounds=3,
        praise="Loss and weights after an epoch are those of the reference.",
        hints={
            _epoch_of("zero", "step", "backward", graph=True): "Both bugs are still there.",
            _epoch_of("zero", "step", "backward"): "The weights never move: there are no "
            "gradients when step looks for them.",
            _epoch_of("step", "zero", "backward"): "It steps before backward, with the gradients "
            "of the batch before.",
            _epoch_of("zero", "backward", "step", graph=True): "It still adds up losses with "
            "their graphs.",
            _epoch_of("backward", "step"): "The line that clears the gradients is missing.",
            make_epoch(_RIGHT, train_mode=False): "The line that sets the mode is missing; after "
            "an evaluation the network would learn in eval mode.",
            make_epoch(_RIGHT, weigh=False): "It averages the means of the batches; weigh each by "
            "its number of images.",
        },
    ),
    "evaluate_bugs": _name(
        {"mode", "no_grad", "axis", "batch means"},
        "None of the four raises anything while all batches are of ten.",
        {
            "softmax": "cross_entropy receives logits here, as it should.",
            "graph": ".item() takes the numbers out of their graphs.",
            "zero_grad": "Nobody steps here.",
            "order": "Nothing is trained here, so no step can come too soon.",
        },
    ),
    "evaluate": FunctionQuestion(
        signature="evaluate(net, batches)",
        reference=make_evaluate(),
        draw=loops.draw_batches,
        observe=loops.watch_evaluate,
        rounds=3,
        praise="It agrees with the reference, and leaves the network untouched.",
        hints={
            make_evaluate(eval_mode=False): "The network is still in train mode, so the batches "
            "change it.",
            make_evaluate(grad=True): "It still records a graph.",
            make_evaluate(dim=0): "It still looks for the largest logit along the axis of the "
            "images.",
            make_evaluate(weigh=False): "It still averages means of batches.",
            make_evaluate(eval_mode=False, grad=True): "Train mode and the graph are still there; "
            "the numbers are weighed well.",
            _changed(lambda loss, top1: (loss, 100 * top1)): "It returns a percentage; give a "
            "fraction.",
            _changed(lambda loss, top1: (loss, 1 - top1)): "It returns the error; accuracy is 1 "
            "minus that.",
            _changed(lambda loss, top1: (top1, loss)): "Loss and accuracy are swapped.",
        },
    ),
    "batches_bugs": _name(
        {"shuffle", "last batch"},
        "No loop can repair what its data lost.",
        {
            "axis": "Both tensors are indexed along their first axis, the images.",
            "batch means": "Nothing is averaged here.",
            "order": "There is no step here.",
        },
    ),
    "batches": FunctionQuestion(
        signature="shuffled_batches(images, targets, batch_size, seed)",
        reference=make_batches(),
        draw=loops.draw_images,
        observe=loops.watch_batches,
        praise="Every image is there once, with its own target.",
        hints={
            make_batches(own=True, short=True): "Both bugs are still there.",
            make_batches(own=True): "Images and targets still come in separate orders.",
            make_batches(short=True): "The last batch is still missing.",
            make_batches(drop=True): "It leaves out the last batch where that is smaller; "
            "training may, measuring may not.",
            make_batches(move="images"): "The images are shuffled and the targets are not.",
            make_batches(move="targets"): "The targets are shuffled and the images are not.",
            make_batches(move="none"): "Nothing is shuffled.",
            lambda *arguments: make_batches()(*arguments[:3], 0): "It ignores the seed: the order "
            "is always the same.",
        },
    ),
}
