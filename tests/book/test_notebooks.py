"""tools/notebooks.py; what the book's notebooks must be like is checked by lint_book."""

import notebooks
import pytest
from files import notebook, write_notebook


@pytest.mark.parametrize(
    ("source", "exercise"),
    [
        (
            "def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION\n\n\nf(1)",
            "def f(x):\n    ...  # your code here\n\n\nf(1)",
        ),
        ("a = ...\n### BEGIN SOLUTION\na = 1\n### END SOLUTION\ncheck(a)", "a = ...\ncheck(a)"),
    ],
)
def test_a_region_is_emptied_and_its_indentation_kept(source, exercise):
    assert notebooks.make_exercise(notebook(source)).cells[0].source == exercise


def test_a_figure_of_an_exercise_has_a_name_of_its_own():
    drawn = notebook("plt.show()")
    drawn.cells[0].metadata["mystnb"] = {"figure": {"name": "fig-solution-curve"}}
    figure = notebooks.make_exercise(drawn).cells[0].metadata["mystnb"]["figure"]
    assert figure["name"] == "fig-exercise-curve"


@pytest.mark.parametrize("line", ["### BEGIN SOLUTION\na = 1", "a = 1\n### END SOLUTION"])
def test_an_open_region_is_refused(line):
    with pytest.raises(ValueError, match="not closed or not opened"):
        notebooks.make_exercise(notebook(line))


@pytest.mark.slow
def test_a_failing_notebook_is_named_with_its_cell_and_left_as_it_was(tmp_path):
    path = write_notebook(tmp_path / "page.ipynb", "1 + 1", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match=r"page.ipynb, cell \d: ZeroDivisionError"):
        notebooks.refresh(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
