"""The exam: its answers hold against other tools, its sheets show no answer, seeds differ."""

import json
import math
import re
import subprocess
import sys

import pytest
import torch
from bs4 import BeautifulSoup
from sklearn.metrics import top_k_accuracy_score
from torch import nn

from coursekit import exam, quiz
from coursekit.__main__ import main
from coursekit.checks.layers.variants import drawn_layers
from coursekit.exam.page import render

SEEDS = (0, 1, 7, 12345)
each_seed = pytest.mark.parametrize("seed", SEEDS)


def answers(problem: exam.Problem) -> dict[str, str]:
    return {part.question: part.answer for part in problem.parts}


@each_seed
def test_the_layers_cost_what_torch_counts(seed):
    drawn, found = drawn_layers(seed), answers(exam.draw(seed)[0])
    channels = drawn.image[0]
    window = {"stride": drawn.stride, "padding": drawn.padding}
    layers = {
        "Dense": nn.Sequential(nn.Flatten(), nn.Linear(math.prod(drawn.image), drawn.units)),
        "Convolution": nn.Conv2d(channels, drawn.kernels, drawn.kernel_size, **window),
        "Pooling": nn.MaxPool2d(drawn.pool_size, drawn.pool_stride),
    }
    for name, layer in layers.items():
        shape = layer(torch.zeros(1, *drawn.image)).shape[1:]
        params = sum(p.numel() for p in layer.parameters())
        assert found[f"{name} layer: parameters"] == f"{params:,}"
        expected = " × ".join(map(str, shape))
        assert found[f"{name} layer: output shape, channels first"] == expected
        assert found[f"{name} layer: bytes of the output"] == f"{4 * shape.numel():,}"
        places = shape[1:].numel() if name == "Convolution" else 1
        biases = 0 if name == "Pooling" else shape.numel()
        flops = 2 * (params - (biases // places)) * places + biases
        assert found[f"{name} layer: FLOPs"] == f"{flops:,}"


@each_seed
def test_the_metrics_agree_with_scikit_learn(seed):
    problem = exam.draw(seed)[1]
    header, *rows = problem.table
    scores = [[float(cell) for cell in row[1:-1]] for row in rows]
    truth = [header[1:-1].index(row[-1]) for row in rows]
    top1, top_k, loss = problem.parts
    k = int(re.fullmatch(r"Top-(\d) accuracy", top_k.question)[1])
    for part, rank in ((top1, 1), (top_k, k)):
        value = top_k_accuracy_score(truth, scores, k=rank, labels=range(len(exam.CLASSES)))
        assert part.answer == f"{value:.0%}"
        hits = set(re.findall(r"\d", part.why))
        assert len(hits) == round(value * len(rows))
    probs = [float(p) for p in re.findall(r"0\.\d", loss.question)]
    assert loss.answer == f"{sum(-math.log(p) for p in probs) / len(probs):.3f}"


@each_seed
def test_the_receptive_fields_are_what_the_gradient_reaches(seed):
    problem = exam.draw(seed)[2]
    layers = nn.Sequential()
    for (_, _, window, stride), part in zip(problem.table[1:], problem.parts, strict=True):
        conv = nn.Conv1d(1, 1, int(window.split()[0]), int(stride), bias=False)
        nn.init.ones_(conv.weight)
        layers.append(conv)
        pixels = torch.ones(1, 1, 200, requires_grad=True)
        outputs = layers(pixels)
        outputs[0, 0, outputs.shape[2] // 2].backward()
        assert int((pixels.grad != 0).sum()) == int(part.answer)


@each_seed
def test_the_questions_come_from_different_quizzes_with_their_right_letters(seed):
    asked = {q.question.strip(): (name, q) for name in quiz.names() for q in quiz.read(name)}
    parts = exam.draw(seed)[3].parts
    found = [asked[part.question.removesuffix(" (more than one may be right)")] for part in parts]
    assert len({name for name, _ in found}) == len(parts) == exam.NUM_QUESTIONS
    for part, (_, question) in zip(parts, found, strict=True):
        right = {choice.text for choice in question.choices if choice.right}
        assert {
            part.choices["ABCDEFGH".index(letter)] for letter in part.answer.split(", ")
        } == right
        assert sorted(part.choices) == sorted(choice.text for choice in question.choices)


def test_every_quiz_question_can_be_answered_without_its_page():
    beyond = re.compile(r"\b(this|the) (page|chapter|book|course)\b|\blecture|\bour\b|^And\b")
    for name in quiz.names():
        for question in quiz.read(name):
            for text in (question.question, *(choice.text for choice in question.choices)):
                assert not beyond.search(text), (question.id, text)


def test_the_key_says_which_reason_belongs_to_which_letter():
    found = [part for seed in range(9) for part in exam.draw(seed)[3].parts if "," in part.answer]
    assert found
    for part in found:
        assert re.findall(r"\b([A-H]): ", part.why) == part.answer.split(", ")


def test_a_seed_gives_the_same_exam_in_another_process_and_other_seeds_other_exams():
    code = "from coursekit import exam; print(hash(repr(exam.draw(7))), repr(exam.draw(7)))"
    environment = {"PYTHONHASHSEED": "1", "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.partition(" ")[2].strip() == repr(exam.draw(7))
    assert len({repr(exam.draw(seed)) for seed in range(30)}) == 30


def test_every_variant_has_a_hit_and_a_miss_and_the_same_points():
    for seed in range(200):
        problems = exam.draw(seed)
        top1, top_k, _ = problems[1].parts
        assert top1.answer != "0%" and top_k.answer != "100%", seed
        assert [problem.points for problem in problems] == [12, 4, 4, 8]


def test_another_seed_is_refused():
    for seed in (-1, 10**10, 7.0, "7", True, None):
        with pytest.raises(ValueError, match=r"seed must be an integer in \[0, 1000000000\], got"):
            exam.draw(seed)


def text_of(html: str) -> str:
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())


def test_the_sheet_shows_no_answer_and_the_key_every_one(tmp_path):
    assert main(["exam", "--seed", "7", "--out", str(tmp_path / "new")]) == 0
    sheet, key = (
        (tmp_path / "new" / f"exam-7{part}.html").read_text(encoding="utf8")
        for part in ("", "-key")
    )
    problems = exam.draw(7)
    assert sheet == render(problems, 7, key=False)
    for problem in problems:
        for part in problem.parts:
            why = " ".join(part.why.replace("`", "").split())
            assert why and why in text_of(key)
            assert why not in text_of(sheet)
            assert f'class="answer">{part.answer}<' in key
    assert 'class="answer"' not in sheet
    for html in (sheet, key):
        assert not re.search(r"<script|<link|src=|https?:", html)
        assert "28 points" in html and "variant 7" in html


def test_the_command_prints_json(tmp_path, capsys):
    assert main(["exam", "--seed", "7", "--out", str(tmp_path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["seed"], record["points"]) == (7, 28)
    assert {record["exam"], record["key"]} == {str(path) for path in tmp_path.iterdir()}


def test_errors_of_the_command_are_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    for argv, message in [
        (["exam", "--seed", "-1"], "seed must be an integer in [0, 1000000000], got -1"),
        (["exam"], "required: --seed"),
        (["exam", "--seed", "x"], "invalid int value"),
        (["exam", "--seed", "1", "--out", str(tmp_path / "file")], "file"),
        (["exan"], "invalid choice"),
    ]:
        assert main(argv) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.count("\n") == 1
        assert printed.err.startswith("coursekit: error: ") and message in printed.err


def test_without_a_command_the_commands_are_listed(capsys):
    assert main([]) == 0
    assert re.search(r"exam +write an exam", capsys.readouterr().out)
