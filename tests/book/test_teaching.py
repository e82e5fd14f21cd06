"""The teaching pack: every page is on the map, and the pages that the map names exist."""

from pathlib import Path

import pytest
import yaml
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[2]

import lecture_map  # noqa: E402

ENTRIES = lecture_map.read_map(ROOT / lecture_map.FILE)
PAGES = {page for entry in ENTRIES for page in entry["pages"]}


def pages_of(folder: str) -> set[str]:
    files = [*(ROOT / folder).glob("*.ipynb"), *(ROOT / folder).glob("[0-9]*.md")]
    return {file.relative_to(ROOT).with_suffix("").as_posix() for file in files}


def test_every_page_of_the_map_is_in_the_book():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    built = {chapter["file"] for part in toc["parts"] for chapter in part["chapters"]}
    assert not PAGES - built


def test_every_chapter_experiment_and_exercise_is_on_the_map():
    for folder in ("chapters", "chapters/training", "exercises"):
        assert pages_of(folder) <= PAGES, pages_of(folder) - PAGES


def test_the_slides_stand_in_the_order_of_the_chapters():
    first = [entry["pages"][0] for entry in ENTRIES]
    chapters = [page for page in first if page.startswith("chapters/")]
    reminders = {"chapters/08_key_ingredients"}  # whose quizzes the lecture has near its end
    in_order = [page for page in chapters if page not in reminders]
    assert in_order == sorted(in_order)


@pytest.mark.parametrize(
    "text",
    [
        "- {slide: A}",
        "- {slide: A, pages: []}",
        "- {slide: A, pages: [x]}\n- {slide: A, pages: [y]}",
    ],
)
def test_a_map_with_a_slip_is_refused(tmp_path, text):
    path = tmp_path / "map.yml"
    path.write_text(text)
    with pytest.raises(ExtensionError, match="must"):
        lecture_map.read_map(path)
