"""Exercise 8: reading learning curves, the epoch to keep, remedies, and who may decide what."""

from functools import partial
from itertools import accumulate

from coursekit.checks.diagnosis import variants as curves
from coursekit.checks.engine.functions import FunctionQuestion
from coursekit.checks.engine.hints import subsets
from coursekit.checks.engine.questions import ChoiceQuestion, Question, StudentQuestion

DIAGNOSES = {  # the word: its signs, which do not give the answer away
    "overfitting": "Overfitting shows in the turn: validation falls, then climbs while training "
    "falls on. Look for the lowest validation loss.",
    "underfitting": "Underfitting leaves both losses high and level. Look at the last training "
    "loss, and at its changes.",
    "stopped too soon": "Then both losses still fall at the end. Compare the last rows of the "
    "table.",
    "healthy": "In a healthy run both losses are low and level at the end, and validation never "
    "turns: it shakes by a few hundredths at most.",
}
DECISIONS = ("weights", "epoch", "learning rate", "network", "remedy", "reported loss")


def _diagnose(right: str, praise: str) -> ChoiceQuestion:
    hints = {frozenset([word]): hint for word, hint in DIAGNOSES.items() if word != right}
    return ChoiceQuestion(frozenset([right]), tuple(DIAGNOSES), praise, hints)


def _choose(
    right: set[str], options: tuple[str, ...], praise: str, too_few: str, too_many: dict[str, str]
) -> ChoiceQuestion:
    """A question for a set of words; `too_many` explains why a word does not belong to it.

    That hint is given whatever else is chosen, for the first such word. A set without such a
    word gets the hint `too_few`.
    """
    hints = {}
    for chosen in subsets(options):
        wrong = [hint for word, hint in too_many.items() if word in chosen]
        if chosen != right:
            hints[chosen] = (*wrong, too_few)[0]
    return ChoiceQuestion(frozenset(right), options, praise, hints)


def _treat(
    right: set[str], praise: str, too_few: str, too_many: dict[str, str]
) -> StudentQuestion:
    """A question for letters of treatments, given by what they change."""

    def make(student: int) -> ChoiceQuestion:
        letters = {change: letter for letter, change in curves.treatments(student).items()}
        hints = {
            letters[change]: hint.format(letters[change]) for change, hint in too_many.items()
        }
        chosen = {letters[change] for change in right}
        return _choose(chosen, curves.TREATMENTS, praise, too_few, hints)

    return StudentQuestion(make)


SIGNS = "One is missing: look for the minus signs in your table."


def _ask_unfair(student: int) -> ChoiceQuestion:
    """Which treatment was trained for more epochs than the others?"""
    longer = {change: letter for letter, change in curves.treatments(student).items()}["longer"]
    others = [letter for letter in curves.TREATMENTS if letter != longer]
    return _choose(
        {longer},
        curves.TREATMENTS,
        "Two rises can be compared only over the same number of steps.",
        "Look at the column of epochs in your table.",
        {x: f"{x} was trained for as many epochs as the patient without it." for x in others},
    )


QUESTIONS: dict[str, Question | StudentQuestion] = {
    "phenomenon": _diagnose("overfitting", "The sign is the turn, and not the gap alone."),
    "patient": StudentQuestion(
        lambda student: _diagnose(
            curves.diagnosis(student), "Say which numbers show it, and you can defend it."
        )
    ),
    "best_epoch": FunctionQuestion(
        signature="best_epoch(val_losses, patience)",
        reference=curves.best_epoch,
        draw=curves.draw_curve,
        rounds=60,
        praise="It agrees with the reference on 60 random curves.",
        hints={
            lambda losses, patience: 1 + losses.index(min(losses)): "It ignores patience: it has "
            "seen epochs that were never run.",
            lambda losses, patience: curves.best_epoch(losses, patience) - 1: "It counts epochs "
            "from 0; count from 1.",
            curves.last_epoch: "It returns the epoch where training stops; the weights of the "
            "best one are kept.",
            partial(curves.best_epoch, take_equal=True): "Of equal losses it keeps the last; keep "
            "the first.",
            partial(curves.best_epoch, shift=1): "It waits one epoch too long.",
            partial(curves.best_epoch, shift=-1): "It gives up one epoch too soon.",
            curves.against_the_epoch_before: "It compares with the epoch before; patience "
            "compares with the best so far.",
            lambda losses, patience: losses[
                curves.best_epoch(losses, patience) - 1
            ]: "It returns the loss; return the number of its epoch.",
            lambda losses, patience: curves.best_epoch(
                [-loss for loss in losses], patience
            ): "It takes the largest loss.",
        },
    ),
    "gap": FunctionQuestion(
        signature="gap(train_losses, val_losses)",
        reference=curves.gap,
        draw=curves.draw_pair,
        praise="It agrees with the reference on 20 random pairs of curves.",
        hints={
            lambda train, val: val[-1] - train[-1]: "It takes the last epoch; the kept one is "
            "that of the lowest validation loss.",
            lambda train, val: min(val) - min(train): "It takes each curve's own minimum; both "
            "losses belong to one epoch.",
            lambda train, val: val[train.index(min(train))] - min(train): "It takes the epoch of "
            "the lowest training loss; validation chooses.",
            lambda train, val: -curves.gap(train, val): "The sign is flipped: it is validation "
            "minus training.",
            lambda train, val: min(val) / train[val.index(min(val))]: "It divides; the gap is a "
            "difference.",
            lambda train, val: max(v - t for t, v in zip(train, val, strict=True)): "It is the "
            "largest gap of all epochs; take the kept one.",
        },
    ),
    "effects": FunctionQuestion(
        signature="effects(case, remedy)",
        reference=curves.effects,
        draw=curves.draw_effects,
        praise="It agrees with the reference on 20 random pairs of experiments.",
        hints={
            lambda case, remedy: curves.effects(remedy, case): "The sign is flipped: it is remedy "
            "minus case.",
            lambda case, remedy: curves.effects(case, remedy)[::-1]: "The order is lowest point, "
            "then rise.",
            lambda *sets: curves.effects(*map(curves.mean_curve, sets)): "It averages the "
            "curves first. The seeds are lowest at different epochs: take the lowest of each "
            "seed, then the mean.",
            lambda case, remedy: curves.effects(case[:1], remedy[:1]): "It takes the first seed "
            "only; take the mean over the seeds.",
            lambda *sets: tuple(accumulate(curves.effects(*sets))): "It compares the last "
            "losses. The rise is the last loss minus the lowest.",
            partial(curves.effects, origin=0): "It measures the rise from the first epoch; "
            "measure it from the lowest point.",
            lambda case, remedy: curves.low_and_rise(remedy): "Those are the two numbers of the "
            "remedy; subtract those of the case.",
        },
    ),
    "lower": _treat(
        {"both", "lower"},
        "With these two every seed gets lower than any seed without treatment.",
        SIGNS,
        {
            "chance": "The mean of {} is lower, but not every seed: compare the last three "
            "columns with those without treatment.",
            "longer": "A change of 0.00 is not lower. Print the curves of {} beside those without "
            "treatment.",
            "flatter": "Look at the sign of the lowest loss of {} in your table.",
        },
    ),
    "flatter": _treat(
        {"both", "flatter"},
        "The two lists differ: to lower the lowest point and to flatten the rise are two things.",
        SIGNS,
        {
            "longer": "{} goes on after the last epoch of the others, and so it shows more of the "
            "rise.",
            "chance": "Look at the sign of the rise of {}.",
            "lower": "{} begins lower. Look at the sign of its rise in your table.",
        },
    ),
    "unfair": StudentQuestion(_ask_unfair),
    "choice": _treat(
        {"both"},
        "It has the lowest point, and nobody who keeps the best epoch pays for the rise.",
        "You can use one of them; compare the lowest points.",
        {
            "lower": "{} lowers the lowest point, but another goes lower.",
            "flatter": "{} rises less, but from a higher lowest point, and you keep the lowest "
            "point.",
            "longer": "The lowest point of {} is that of no treatment.",
            "chance": "Chance alone can lower a mean as {} does.",
        },
    ),
    "validation": _choose(
        {"epoch", "learning rate", "network", "remedy"},
        DECISIONS,
        "Validation images choose, whatever is to be chosen.",
        "There are more: think of everything that is tried and compared.",
        {
            "weights": "The weights are learned from training images. What has learned from the "
            "validation images cannot be judged by them.",
            "reported loss": "A number that was chosen to be low is too low; fresh images report.",
        },
    ),
    "test": _choose(
        {"reported loss"},
        DECISIONS,
        "Once, at the end, when nothing is left to choose.",
        "One thing is left for them, or nobody would need them.",
        {
            "weights": "Learning from test images leaves nothing to report with.",
            "epoch": "An epoch is a choice as well; validation images make it.",
            "learning rate": "A learning rate chosen with test images makes the report a maximum.",
            "network": "The best of many networks looks better than it is on the images that "
            "chose it.",
            "remedy": "Remedies are chosen with validation images.",
        },
    ),
}
