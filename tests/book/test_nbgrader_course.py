"""The solutions as the source of a course for nbgrader."""

import re
from pathlib import Path

import nbformat
import nbgrader_course

from coursekit import checks
from coursekit.grade.released import asks

ROOT = Path(__file__).resolve().parents[2]


def test_nbgrader_gets_every_question_once_and_no_explanation(tmp_path, monkeypatch, capsys):
    arguments = ["nbgrader_course", str(tmp_path), "--notebooks", str(ROOT / "solutions")]
    monkeypatch.setattr("sys.argv", arguments)
    assert nbgrader_course.main() == 0
    sources = sorted(tmp_path.glob("source/*/*.ipynb"))
    assert f"{len(sources)} assignments" in capsys.readouterr().out
    asked = []
    for path in sources:
        assert path.stem == path.parent.name
        cells = nbformat.read(path, as_version=4).cells
        assert not any("solution" in cell.metadata.get("tags", []) for cell in cells)
        marked = [cell for cell in cells if "nbgrader" in cell.metadata]
        assert len({cell.metadata.nbgrader.grade_id for cell in marked}) == len(marked)
        for cell in cells:
            kind = cell.metadata.get("nbgrader", {})
            assert kind.get("solution", False) == ("### BEGIN SOLUTION" in cell.source)
            if kind.get("grade"):
                assert kind["locked"] and kind["points"] == 1 and not kind["solution"]
                asked += re.findall(r'check\("([\w.]+)", \w+(?:, student=STUDENT)?\)', cell.source)
    present = {
        ask.question for topic in checks.TOPICS for ids in asks(topic).values() for ask in ids
    }
    assert len(asked) == len(set(asked)) and set(asked) == present
    monkeypatch.setattr("sys.argv", [*arguments[:3], str(tmp_path / "none")])
    assert "make book" in nbgrader_course.main()
