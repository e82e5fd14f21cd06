"""The exam: its answers hold against other tools, its sheets show no answer, variants are fair."""

import json
import math
import re
import string
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from exam_bank import PIXEL, make_bank
from sklearn.metrics import top_k_accuracy_score
from test_checks_drawn import by_torch
from torch import nn

from coursekit import exam, quiz
from coursekit.__main__ import main
from coursekit.exam import problems as computed
from coursekit.exam import questions
from coursekit.exam.texts import LANGUAGES

ROOT = Path(__file__).parents[2]
SEEDS = range(50)
TEXTS = LANGUAGES["en"]
SEVERAL = " (more than one may be right)"


@pytest.fixture(scope="module")
def variants():
    return {seed: exam.draw(seed) for seed in SEEDS}


def numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


LAYERS = {"Dense": "dense", "Convolution": "conv", "Pooling": "pool"}
QUANTITIES = {
    "parameters": "params",
    "FLOPs": "flops",
    "comparisons": "comparisons",
    "output shape, channels first": "shape",
    "bytes of the output": "bytes",
}


def test_the_layers_cost_what_torch_counts_and_are_equally_difficult(variants):
    rounded = Counter()
    for seed, problems in variants.items():
        problem = problems[0]
        channels, *sizes, _ = numbers(problem.text)[:4]
        (units,), (kernels, size, _, *conv), (window, _, step) = (
            numbers(text) for _, text in problem.table[1:]
        )
        image = (channels, *sizes)
        right = by_torch(image, units, (kernels, size, *conv), (window, step))
        for part in problem.parts:
            layer, what = part.question.split(": ")
            value = right[LAYERS[layer]][QUANTITIES[what]]
            shown = " × ".join(map(str, value)) if what.startswith("output") else f"{value:,}"
            assert part.answer == shown, (seed, part.question)
        stride, padding = conv
        rests = [(n + 2 * padding - size) % stride for n in sizes]
        rests += [(n - window) % step for n in sizes]
        rounded[sum(rest > 0 for rest in rests)] += 1
    assert set(rounded) == {1, 2}  # axes that have to be rounded down


def test_the_metrics_agree_with_scikit_learn(variants):
    for seed, problems in variants.items():
        header, *rows = problems[1].table
        scores = [[float(cell) for cell in row[1:-1]] for row in rows]
        truth = [header[1:-1].index(row[-1]) for row in rows]
        top1, top_k, loss = problems[1].parts
        k = numbers(top_k.question)[0]
        values = []
        for part, rank in ((top1, 1), (top_k, k)):
            values.append(top_k_accuracy_score(truth, scores, k=rank, labels=range(7)))
            assert part.value == float(part.answer) == round(100 * values[-1])
            assert len(numbers(part.why)) == round(values[-1] * len(rows))
        assert 0 < values[0] < values[1] < 1, seed
        probs = [float(p) for p in re.findall(r"0\.\d", loss.question)]
        assert len(set(probs)) == 3
        assert loss.answer == f"{sum(-math.log(p) for p in probs) / len(probs):.3f}"


def test_the_receptive_fields_are_what_the_gradient_reaches(variants):
    for seed, problems in variants.items():
        layers, reached = nn.Sequential(), []
        *sizes, seen = problems[2].parts
        for _, _, window, stride in problems[2].table[1:]:
            conv = nn.Conv1d(1, 1, numbers(window)[0], int(stride), bias=False)
            nn.init.ones_(conv.weight)
            layers.append(conv)
            pixels = torch.ones(1, 1, 199, requires_grad=True)
            layers(pixels)[0, 0, numbers(seen.question)[1]].backward()
            reached.append(pixels.grad[0, 0].nonzero().flatten().tolist())
        assert [part.value for part in sizes] == [len(field) for field in reached[1:]], seed
        assert numbers(seen.answer) == [reached[-1][0], reached[-1][-1]], seed
    drawn = (computed.fields(seed, TEXTS) for seed in range(300))
    assert len({tuple(part.answer for part in problem.parts) for problem in drawn}) >= 200


def test_every_sheet_has_the_same_points_and_nothing_is_zero(variants):
    answers = Counter()
    for problems in variants.values():
        assert [problem.points for problem in problems] == [12, 4, 4, 8]
        assert [len(problem.parts) for problem in problems] == [10, 3, 4, 8]
        for problem in problems:
            for part in problem.parts:
                answers[problem.topic, part.question, part.answer] += 1
                assert part.answer not in ("0", "")
                for half in part.partial:
                    assert 0 < half.points <= part.points / 2
                    assert half.answer != part.answer
                    assert half.value is None or abs(half.value - part.value) > part.tolerance
    once = [count for (topic, *_), count in answers.items() if topic == "layers"]
    assert max(once) < len(SEEDS) / 2


def test_the_sample_on_the_page_for_teachers_is_variant_1(variants):
    page = (ROOT / "teaching" / "exam.md").read_text(encoding="utf8")
    parts = {part.question: part for part in variants[1][0].parts}
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.count(" | ") == 3]
    rows = [row for row in rows if row[0] in parts]
    assert len(rows) == 5 and "14 channels of 30 × 18 values" in variants[1][0].text
    for question, points, answer, half in rows:
        part = parts[question]
        assert (float(points), answer) == (part.points, part.answer)
        assert half.partition(":")[0] in [partial.answer for partial in part.partial]


def test_the_questions_come_from_different_quizzes_with_their_right_letters(variants):
    asked = {q.question.strip(): (name, q) for name in quiz.names() for q in quiz.read(name)}
    for problems in variants.values():
        parts = problems[3].parts
        found = [asked[part.question.removesuffix(SEVERAL)] for part in parts]
        assert len({name for name, _ in found}) == questions.NUM_QUESTIONS
        assert sum(part.several for part in parts) == questions.NUM_SEVERAL
        for part, (_, question) in zip(parts, found, strict=True):
            letters = part.answer.split(", ")
            right = {choice.text for choice in question.choices if choice.right}
            assert {part.choices["ABCDEFGH".index(letter)] for letter in letters} == right
            assert sorted(part.choices) == sorted(choice.text for choice in question.choices)
            assert part.several == question.several == part.question.endswith(SEVERAL)
            if part.several:
                assert re.findall(r"\b([A-H]): ", part.why) == letters


def test_every_quiz_question_can_be_answered_without_its_page():
    beyond = re.compile(r"\b(this|the) (page|chapter|book|course)\b|\blecture|\bour\b|^And\b")
    for name in quiz.names():
        for question in quiz.read(name):
            for text in (question.question, *(choice.text for choice in question.choices)):
                assert not beyond.search(text), (question.id, text)


def test_questions_of_a_bank_are_drawn_first(tmp_path):
    bank = make_bank(tmp_path)
    (bank / "own.2.png").rename(bank / "own.2.JPEG")
    parts = exam.draw(7, bank=bank)[3].parts
    assert sum(part.question.startswith("Is ") for part in parts) == 4
    assert len(parts) == questions.NUM_QUESTIONS
    assert sum(part.several for part in parts) == questions.NUM_SEVERAL
    assert [part.image for part in parts if part.image] == [bank / "own.2.JPEG"]
    (bank / "mine.yml").write_bytes("é".encode("latin1"))
    with pytest.raises(ValueError, match=r"mine\.yml must be a text in UTF-8"):
        exam.draw(7, bank=bank)
    (bank / "mine.yml").write_text("- id: 7\n", encoding="utf8")
    with pytest.raises(ValueError, match=r"mine\.yml.*id must be a str"):
        exam.draw(7, bank=bank)
    with pytest.raises(ValueError, match=r"bank must be a folder with questions"):
        exam.draw(7, bank=bank.parent)


def test_a_seed_gives_the_same_exam_in_another_process_and_other_seeds_other_exams(variants):
    code = "from coursekit import exam; print(repr(exam.draw(7)))"
    environment = {"PYTHONHASHSEED": "1", "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == repr(variants[7])
    assert len({repr(problems) for problems in variants.values()}) == len(SEEDS)


def test_points_and_topics_are_those_asked_for():
    points = {"layers": 18, "questions": 4}
    asked, layers = exam.draw(7, topics=["questions", "layers"], points=points)
    assert (asked.topic, asked.points) == ("questions", 4)
    assert (layers.topic, layers.points) == ("layers", 18)
    assert {part.points for part in asked.parts} == {0.5}
    assert {part.points for part in layers.parts} == {1.5, 3}
    assert layers.parts[1].partial[0].points == 1.5


def test_other_arguments_are_refused():
    for options, message in [
        ({"seed": -1}, r"seed must be an integer in \[0, 1000000000\], got -1"),
        ({"seed": 7.0}, "seed must be an integer"),
        ({"seed": True}, "seed must be an integer"),
        ({"topics": []}, "topics must be one or more, each once"),
        ({"topics": ["layers", "layers"]}, "topics must be one or more, each once"),
        ({"topics": ["cost"]}, "topics must be of layers, metrics, .*got 'cost'"),
        ({"points": {"layers": 7}}, "points of layers must be a multiple of 6, .*got 7"),
        ({"points": {"layers": 0}}, "points of layers must be a multiple of 6, .*got 0"),
        ({"points": {"fields": math.inf}}, "points of fields must be a multiple of 2, .*got inf"),
        ({"language": "de"}, "language must be one of en, fr, got 'de'"),
    ]:
        with pytest.raises(ValueError, match=message):
            exam.draw(**{"seed": 7} | options)


def test_the_languages_have_the_same_texts_and_answers(variants):
    english, french = (LANGUAGES[code].fixed for code in ("en", "fr"))
    assert english.keys() == french.keys()
    for name, text in english.items():
        names = [{found[1] for found in string.Formatter().parse(t)} for t in (text, french[name])]
        assert names[0] - {None} == names[1] - {None}, name
    for seed in (1, 7):
        for here, there in zip(variants[seed], exam.draw(seed, language="fr"), strict=True):
            assert [part.value for part in here.parts] == [part.value for part in there.parts]
            assert here.points == there.points
            if here.topic != "questions":
                assert here.title != there.title and here.text != there.text
    assert LANGUAGES["fr"].number(1234567) == "1\u202f234\u202f567"
    assert LANGUAGES["fr"].number(-0.5, 3) == "−0,500"
    assert [LANGUAGES["fr"].points(n) for n in (1.5, 2)] == ["1,5 point", "2 points"]
    assert [TEXTS.points(n) for n in (1, 1.5)] == ["1 point", "1.5 points"]


def test_the_command_writes_all_variants_into_one_file(tmp_path, capsys):
    bank = make_bank(tmp_path)
    out = ["--out", str(tmp_path / "new")]
    assert main(["exam", "--seeds", "1-3,9", *out, "--bank", str(bank), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["seeds"], record["points"]) == ([1, 2, 3, 9], 28)
    assert record["variants"]["9"][0]["parts"][0]["answer"]
    assert {record["exam"], record["key"]} == {str(path) for path in (tmp_path / "new").iterdir()}
    sheet = (tmp_path / "new" / "exam-1-3_9.html").read_text(encoding="utf8")
    assert sheet.count('class="sheet variant"') == 4 and "data:image/png;base64," in sheet
    assert main(["exam", "--seeds", "7", *out, "--format", "moodle"]) == 0
    assert main(["exam", "--seeds", "7", *out, "--format", "latex", "--bank", str(bank)]) == 0
    assert main(["exam", "--seeds", "7,9", *out, "--format", "worksheet"]) == 0
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names >= {"worksheet-7_9.html", "exam-7.xml", "exam-7.tex", "exam-7-key.tex", "images"}
    assert (tmp_path / "new" / "images" / "own.2.png").read_bytes() == PIXEL


def test_errors_of_the_command_are_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    form = "seeds must be numbers and ranges, such as 1-40 or 3,7, got"
    for options, message in [
        ("exam --seeds -1", f"{form} '-1'"),
        ("exam", "required: --seeds"),
        ("exam --seeds x", f"{form} 'x'"),
        ("exam --seeds \N{FULLWIDTH DIGIT ONE}", form),
        ("exam --seeds 9-7", "seed must be an integer in [9, 1000000000], got 7"),
        ("exam --seeds 1-2000", "seeds must be at most 1000 different ones"),
        ("exam --seeds 1,1", "seeds must be at most 1000 different ones"),
        ("exam --seeds 1 --points layers", "points must be topic=number"),
        ("exam --seeds 1 --points x=3", "points must be of the topics"),
        ("exam --seeds 1 --minutes 0", "minutes must be an integer >= 1, got 0"),
        ("exam --seeds 1 --language de", "invalid choice: 'de'"),
        (f"exam --seeds 1 --out {tmp_path / 'file'}", "file"),
        ("exan", "invalid choice"),
    ]:
        assert main(options.split()) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.count("\n") == 1
        assert printed.err.startswith("coursekit: error: ") and message in printed.err
    assert main([]) == 0
    assert re.search(r"exam +write exams", capsys.readouterr().out)
