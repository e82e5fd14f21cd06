"""A class is graded: who earns what, and what a notebook cannot do."""

import contextlib
import csv
import json
import re
import socket
import sys
import threading
from pathlib import Path
from unittest import mock

import classroom
import numpy as np
import pytest
import shorter
import torch

from coursekit import checks, grade
from coursekit.__main__ import main
from coursekit.checks.engine.values import Other, Raised
from coursekit.grade import NO_ANSWER, Row, isolation, verdict
from coursekit.grade.released import asks, read_folder, topic_of
from coursekit.grade.report import summary, to_csv
from coursekit.grade.wire import decode, encode
from dlvlib import metrics

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="grading needs POSIX")


def processes() -> list[str]:
    """The command lines of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.mark.slow
def test_a_class_earns_what_it_solved(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        students = classroom.students(port)
        for name, student in students.items():
            path = tmp_path / "class" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(student.notebook), encoding="utf8")
        scores = tmp_path / "scores.csv"
        command = ["grade", str(tmp_path / "class"), "--csv", str(scores), "--minutes", "5"]
        with classroom.in_forks():
            assert main(command) == 0
    lines = csv.DictReader(scores.read_text(encoding="utf8").splitlines())
    rows = {line["file"].removeprefix("'"): line for line in lines}
    assert rows.keys() == students.keys()
    printed = capsys.readouterr().out
    assert "2 x That is the percentage; give the fraction." in printed
    for name, student in students.items():
        row = rows[name]
        earned = tuple(q for q in classroom.QUESTIONS if row[f"metrics.{q}"] == "1")
        print(f"{name:24} {len(earned)} of 7  {row['errors']}")
        if name == "stays and connects.ipynb" and not isolation.can_isolate():
            continue
        assert earned == student.earns, name
        assert all(error in row["errors"] for error in student.errors), name
    assert not any(f"31536000.{port}" in command for command in processes())


def test_two_notebooks_may_not_share_a_number_that_of_zero_included():
    rows = [Row(name, number, {}, (), 0.0) for name, number in {"a": 0, "b": 0, "c": None}.items()]
    errors = [row.errors for row in grade._with_shared_numbers(rows)]
    assert errors == [("STUDENT 0 is also in b",), ("STUDENT 0 is also in a",), ()]


def test_the_number_of_a_student_is_the_one_in_the_list(tmp_path, capsys, monkeypatch):
    """Without a process: the replies are those that a worker would send."""
    monkeypatch.chdir(tmp_path)
    question = "layers.own.dense"
    right = encode(checks.QUESTIONS[question].make(7).expected)
    line = json.dumps({"question": question, "student": 7, "value": right})
    content = f'{{"cell": "a"}}\n{line}\n{{"done": true}}\n'.encode()
    monkeypatch.setattr(isolation, "run", lambda *_: (content, ""))
    for name in ("a", "b e\u0301", "c"):
        Path(f"{name}.ipynb").write_text(json.dumps(classroom.read("exercises")))
    listed = "\ufeffname;file;student\nA;a.ipynb;7\nB;b é.ipynb;8\n"
    Path("list.csv").write_text(listed, encoding="utf8")
    command = "grade . --csv s.csv --topic layers --json --students list.csv"
    assert main(command.split()) == 0
    a, b, c = json.loads(capsys.readouterr().out)["notebooks"]
    assert [found["student"] for found in (a, b, c)] == [7, 8, 7]
    assert [found["scores"][question] for found in (a, b, c)] == [1, 0, 1]
    assert a["errors"] == ["STUDENT 7 is also in c.ipynb"]
    assert b["errors"] == ["STUDENT must be 8, got 7"]
    assert c["errors"][0] == "it is not in the list of students"

    Path("s.csv").unlink()
    end = mock.Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr("coursekit.grade._with_shared_numbers", end)
    with pytest.raises(KeyboardInterrupt):
        main(command.split())
    assert Path("s.csv").read_text().count("\n") == 4  # one for each, though it was ended


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"student": True, "value": 1},
        {"student": 10**4000, "value": 1},
        {"student": [[]], "value": ["tuple", [[]]]},
        {"student": 7, "value": ["tensor", "float32", [9, 9], [1]]},
        {"student": 7, "observed": [1]},
        {"student": 7, "observed": []},
        {"student": 7, "observed": {"a": 1}},
        {"student": 7, "failed": ["x" * 10**6]},
    ],
)
def test_a_reply_of_any_form_is_wrong_and_harms_nothing(reply):
    for name in ("layers.own.dense", "layers.conv_cost", "layers.dense.shape"):
        found = verdict(name, reply, None)
        assert not found.right and found.message, name


VALUES = [
    *(None, ..., True, 7, 10**400, 0.5, float("inf"), "a\ud800", (), [1, (2.0, "b")], {"x"}),
    *(frozenset({1, "b"}), {"a": {(1, 2): None}}, Other("iterator"), Raised("ValueError", "no")),
]


def test_answers_survive_the_way_to_the_grader():
    for value in VALUES:
        found = decode(json.loads(json.dumps(encode(value))))
        assert found == value and type(found) is type(value)
    for dtype in ("float16", "bfloat16", "float64", "int64", "uint8", "bool"):
        tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
        found = decode(json.loads(json.dumps(encode(tensor))))
        assert found.dtype == tensor.dtype and torch.equal(found, tensor)
    array = np.arange(6, dtype=np.uint16).reshape(1, 6)
    found = decode(json.loads(json.dumps(encode(array))))
    assert found.dtype == array.dtype and found.shape == (1, 6) and (found == array).all()
    assert encode(torch.ones(1, dtype=torch.complex64)) == ["Other", "Tensor"]


@pytest.mark.parametrize(
    "data",
    [
        [],
        ["eval", "1"],
        ["tensor", "__class__", [1], [1]],
        ["tensor", "int8", [1], [1e300]],
        ["tensor", "int64", [2, 2], [1, 2, 3]],
        ["array", "object", [1], [1]],
        ["set", ["list"]],
        ["dict", 1],
        ["Raised"],
        [["tuple"]],
        {"a": 1},
    ],
)
def test_other_data_is_no_answer(data):
    with pytest.raises(ValueError, match="an answer must be encoded data, got"):
        decode(data)


def test_every_question_is_asked_in_the_exercises():
    for topic in checks.TOPICS:
        found = {ask.question for lines in asks(topic).values() for ask in lines}
        if shorter.REMOVED and not found:  # a shorter book may lack the exercise
            continue
        assert found == {name for name in checks.QUESTIONS if name.split(".")[0] == topic}


def test_the_topic_is_that_of_the_notebooks(tmp_path):
    for name in ("01_metrics", "02_layers"):
        text = shorter.page(f"exercises/{name}").read_text(encoding="utf8")
        (tmp_path / f"{name}.ipynb").write_text(text, encoding="utf8")
    both = read_folder(tmp_path)
    assert topic_of(both[:1], checks.TOPICS) == "metrics"
    assert topic_of(both[1:], checks.TOPICS) == "layers"
    with pytest.raises(ValueError, match="one topic.*got metrics, layers"):
        topic_of(both, checks.TOPICS)
    with pytest.raises(ValueError, match="got none"):
        topic_of([], checks.TOPICS)


def test_what_is_no_notebook_gets_a_row_with_the_reason(tmp_path):
    (tmp_path / "folder.ipynb").mkdir()
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "old.ipynb").touch()
    contents = ["", "[]", "{}", '{"cells": [1]}', "[" * 10**5]
    contents += ['{"cells": [{"cell_type": "code"}]}', '{"nbformat": 3, "worksheets": []}']
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.ipynb").write_text(content)
    (tmp_path / "9.ipynb").write_bytes(b"\xff")
    (tmp_path / "._9.ipynb").write_bytes(b"beside 9.ipynb, by macOS")
    found = read_folder(tmp_path)
    assert len(found) == len(contents) + 2
    assert all(submission.problem.startswith("cannot be read: ") for submission in found)
    with pytest.raises(ValueError, match=r"FOLDER must hold notebooks"):
        read_folder(tmp_path / ".ipynb_checkpoints")


def test_names_and_encodings_of_other_programs_are_read(tmp_path):
    text = '{"cells": [{"cell_type": "code", "metadata": null, "source": ["é"]}]}'
    names = ("1.IPYNB", "2.ipynb.txt", "3.ipynb (1)", "4 Jose\u0301.ipynb")
    for name, encoding in zip(names, ("utf-8-sig", "utf-16", "utf-8", "utf-8"), strict=True):
        (tmp_path / name).write_text(text, encoding=encoding)
    found = read_folder(tmp_path)
    assert [submission.name for submission in found] == [*names[:3], "4 José.ipynb"]
    assert all(submission.cells[0].source == "é" for submission in found)


def test_scores_are_safe_to_open_and_the_summary_to_print():
    wrong = checks.Verdict(False, "A hint.")
    rows = [Row("=1+1.ipynb", None, {"metrics.top1": wrong}, ("\x1b[2J\n" * 200,), 1.0)]
    assert '"' not in to_csv(rows) and to_csv(rows).splitlines()[1].startswith("'=1+1.ipynb,,0,")
    text = summary(rows)
    assert "0 right,   0 without an answer, 1 x A hint." in text and "\x1b" not in text
    assert len(text) < 300 and len(to_csv(rows)) < 500


def test_the_sample_on_the_page_for_teachers_is_what_comes_out():
    page = (shorter.ROOT / "teaching" / "grading.md").read_text(encoding="utf8")
    names = [f"metrics.{name}" for name in classroom.QUESTIONS]
    solved = dict.fromkeys(names, checks.Verdict(True, ""))
    wrong = {name: checks.check(name, 3 / n) for name, n in zip(names, (1, 8), strict=False)}
    rows = [
        Row("ada.ipynb", None, solved, (), 2.0),
        Row("alan.ipynb", None, solved | wrong, (), 2.1),
        Row("grace.ipynb", None, dict.fromkeys(names, NO_ANSWER), (), 1.3),
    ]
    lines = f"metrics: {summary(rows)}\n{to_csv(rows)}".splitlines()
    blocks = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    shown = "".join(blocks).splitlines()
    assert len(blocks) == 2 and len(shown) == 11
    for begin, _, end in (line.partition("...") for line in shown):
        assert any(line.startswith(begin) and line.endswith(end) for line in lines), begin


def test_an_endless_cell_costs_half_of_the_time_that_is_left():
    ask = {"question": "metrics.top1", "answer": "left", "student": None}
    cells = [
        {"id": "a", "source": classroom.ENDLESS, "asks": []},
        {"id": "b", "source": "left *= 2", "asks": [ask]},
    ]
    with classroom.in_forks():
        content, _ = isolation.run({"cells": cells}, 3000.0, threading.Event())
    cell, error, _, answer, done = map(json.loads, content.splitlines())
    assert cell == {"cell": "a"} and done == {"done": True}
    assert error == {"error": "OutOfTime: the cell took too long"}
    assert 2000 < answer["value"] < 3000


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="there is no /proc here")
def test_without_namespaces_processes_that_leave_the_group_are_ended_too(monkeypatch):
    monkeypatch.setattr(isolation, "can_isolate", lambda: False)
    folders = []
    end = isolation._end
    monkeypatch.setattr(
        isolation, "_end", lambda p, folder: (end(p, folder), folders.append(folder))
    )
    task = {"cells": [{"id": "a", "source": classroom.STARTS_MANY, "asks": []}]}
    content, reason = isolation.run(task, 300.0, threading.Event())
    assert content == b'{"cell": "a"}\n' and "more than 200 processes" in reason
    assert isolation._marked(folders[0]) == [] and not folders[0].exists()


def test_a_notebook_is_ended_in_time_and_at_once_where_the_grader_is_interrupted():
    task, event = {"cells": []}, threading.Event()
    assert isolation.run(task, 0.2, event) == (b"", "ended after 0.2 seconds")
    event.set()
    assert isolation.run(task, 60.0, event) == (b"", "interrupted")


def test_errors_of_the_command_are_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.ipynb").touch()
    Path("list.csv").write_text("file\na.ipynb\n")
    Path("bad.csv").write_text("file,student\na.ipynb,x\n")
    Path("old.csv").write_bytes(b"file,student\n\xe9.ipynb,7\n")
    for options, message in [
        ("", "required: --csv"),
        ("--csv s.csv --jobs 0", "jobs must be an integer in [1, 64], got 0"),
        ("--csv s.csv --minutes nan", "minutes must be greater than 0 and at most 1440, got nan"),
        ("--csv s.csv --topic x", "topic must be one of metrics, layers,"),
        ("--csv .", "csv must be a file, got the folder"),
        ("--csv s.csv --students list.csv", "the columns file and student"),
        ("--csv s.csv --students bad.csv", "must hold whole numbers, got 'x'"),
        ("--csv s.csv --students old.csv", "old.csv must be a text in UTF-8"),
        ("--csv s.csv", "must be of one topic, or --topic must name it; got none"),
    ]:
        assert main(["grade", ".", *options.split()]) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.count("\n") == 1
        assert printed.err.startswith("coursekit: error: ") and message in printed.err


def test_a_function_must_have_been_called_on_every_input():
    name = "metrics.top_k_function"
    question = checks.QUESTIONS[name]
    observed = [encode(value) for value in question.collect(metrics.top_k_accuracy)]
    assert verdict(name, {"observed": observed}, None).right
    found = verdict(name, {"observed": observed[:1]}, None)
    assert not found.right and "there must be 20 observations, got 1" in found.message
