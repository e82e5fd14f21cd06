"""A question whose answer is measured: many numbers are right, and rules detect the wrong ones."""

from collections.abc import Callable
from dataclasses import dataclass

from coursekit.checks.engine.questions import Verdict, read_number

ROUNDED = 6e-5  # an accuracy may be given rounded to four digits
GOOD = 0.92  # what an accuracy in another form, such as a percentage, is taken for
Mistake = tuple[str, Callable[[float], bool], float]
"""The hint, the rule that detects the mistake from the number, and a number that it gives."""


@dataclass(frozen=True)
class MeasuredQuestion:
    """A question whose answer is a test accuracy; right is what no mistake explains."""

    mistakes: tuple[Mistake, ...]
    praise: str

    @property
    def hints(self) -> dict[float, str]:
        """One wrong number for each mistake, with its hint."""
        return {example: hint for hint, _, example in self.mistakes}

    def judge(self, answer: object) -> Verdict:
        number = read_number(answer, "a fraction between 0 and 1")
        if isinstance(number, Verdict):
            return number
        for hint, applies, _ in self.mistakes:
            if applies(number):
                return Verdict(False, hint)
        return Verdict(True, self.praise)


def accuracy_mistakes(
    *, least: float, num_test: int, num_train: int, num_val: int
) -> tuple[Mistake, ...]:
    """What can be wrong with a test accuracy, known only by the number of images in each set.

    An accuracy is a whole number of images divided by their number, so most accuracies on other
    images cannot be accuracies on the test images. Any recipe that was chosen by its validation
    accuracy reaches `least`.
    """

    def good(number: float) -> bool:
        return GOOD <= number < 1

    def share(count: int) -> Callable[[float], bool]:
        return lambda a: abs(a - round(a * count) / count) < ROUNDED

    def other(count: int) -> Callable[[float], bool]:
        return lambda a: share(count)(a) and not share(num_test)(a)

    example = (num_test - 10) / num_test
    return (
        ("That is a percentage; give the fraction.", lambda a: good(a / 100), 100 * example),
        (
            "That is how many are right; divide by how many there are.",
            lambda a: a > 1 and good(a / num_test),
            num_test - 10,
        ),
        ("An accuracy lies between 0 and 1.", lambda a: not 0 <= a <= 1, -example),
        (
            "Every image right: that is seldom true of images never seen. Measure the test set.",
            lambda a: a == 1,
            1.0,
        ),
        ("That is the error; accuracy is what remains.", lambda a: good(1 - a), 1 - example),
        (
            f"That is a fraction of {num_train} images, so of the training set; measure the test "
            "set.",
            other(num_train),
            (num_train - 13) / num_train,
        ),
        (
            f"That is a fraction of {num_val} images, so of the validation set; the test set "
            "reports.",
            other(num_val),
            (num_val - 13) / num_val,
        ),
        (
            f"No whole number of {num_test} images gives this. Is it rounded, a mean of batch "
            "means, or a loss?",
            lambda a: not share(num_test)(a),
            (num_test - 9.5) / num_test,
        ),
        (
            "That is guessing. Did the training change the network that you measured?",
            lambda a: a < 0.2,
            36 / num_test,
        ),
        (
            f"Less than {100 * least:.0f} %: the recipe is not good yet. Choose a better one by "
            "its validation accuracy, and measure the test set then.",
            lambda a: a < least,
            round(num_test / 3) / num_test,
        ),
    )
