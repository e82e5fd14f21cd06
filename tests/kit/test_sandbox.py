"""A student's code is ended in time, in a child process and in a thread, and leaves no trace."""

import contextlib
import os
import random
import re
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from coursekit.checks import check
from coursekit.checks.engine import sandbox
from coursekit.checks.engine.values import Other, Raised
from dlvlib import metrics, runtime
from dlvlib.models.blocks import Residual

in_child = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.fixture(params=[pytest.param("linux", marks=in_child), "win32"])
def system(request, monkeypatch):
    """A system with child processes, and one with threads only."""
    monkeypatch.setattr(sandbox.sys, "platform", request.param)
    return request.param


@pytest.fixture(autouse=True)
def no_child_is_left(monkeypatch):
    fork, started = os.fork, []

    def noted():
        started.append(fork())
        return started[-1]

    monkeypatch.setattr(os, "fork", noted)
    yield
    for child in started:
        with pytest.raises(ChildProcessError):
            os.waitpid(child, os.WNOHANG)


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(sandbox, "TIME_LIMIT_SECONDS", 0.2)


def swallows():
    while True:
        try:  # noqa: SIM105
            sum(range(100))
        except:  # noqa: E722
            pass


def answers_late():
    try:
        while True:
            time.sleep(0.01)
    except:  # noqa: E722
        return 0.5


@contextlib.contextmanager
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread runs the code")
def test_waiting_for_a_busy_machine_is_not_computing(soon):
    assert sandbox.run([lambda: time.sleep(0.25) or 7]) == [7]


@pytest.mark.parametrize("code", [swallows, answers_late])
def test_code_that_does_not_return_is_ended(system, soon, code):
    expected = pytest.raises(sandbox.Stopped, match=r"did not return within (0\.2|2\.4) seconds")
    with no_thread_is_left(), expected:
        sandbox.run([code] * 3)


@in_child
def test_one_call_that_python_cannot_interrupt_is_ended(soon):
    with pytest.raises(sandbox.Stopped, match="did not return"):
        sandbox.run([lambda: re.match(r"(a+)+$", "a" * 50 + "b")])


def test_a_thread_that_nothing_wakes_is_left_behind(monkeypatch, soon):
    monkeypatch.setattr(sandbox.sys, "platform", "win32")
    monkeypatch.setattr(sandbox, "STOPPING_SECONDS", 0.1)
    over = threading.Event()
    with pytest.raises(sandbox.Stopped, match="did not return"):
        sandbox.run([over.wait])
    over.set()


def test_an_interrupt_of_the_kernel_ends_the_code(system):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    kernel = os.getpid()

    def interrupts(*arguments):
        time.sleep(0.3)  # an interrupt while the kernel starts the child would lose the child
        os.kill(kernel, signal.SIGINT)
        swallows()

    with no_thread_is_left(), pytest.raises(KeyboardInterrupt):
        check("metrics.top_k_function", interrupts)


@in_child
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (lambda *arguments: os._exit(3), "ended the process"),
        (lambda *arguments: os.kill(os.getpid(), signal.SIGKILL), "ended the process"),
        (lambda *arguments: bytearray(10**12), "MemoryError"),
        (lambda *arguments: torch.ones(10**12), "can't allocate memory"),
        (lambda *arguments: exit(), "raised SystemExit"),
        (lambda *arguments: input(), "nobody can answer input() here"),
    ],
)
def test_memory_and_exits_reach_the_student_as_a_line(code, message):
    assert message in check("metrics.top_k_function", code).message


def test_methods_of_an_answer_are_limited_too(system, soon):
    class Sleeps:
        def item(self):
            answers_late()

    assert "one number" in check("metrics.top1", Sleeps()).message


def test_the_random_states_are_those_before_the_check(system):
    def next_numbers():
        np_number = np.random.random()  # noqa: NPY002
        return torch.rand(1).item(), np_number, random.random()

    def seeds(channels):
        runtime.set_seed(5)
        return Residual(channels, channels)

    count = torch.get_num_threads()
    for answer in (seeds, nn.ReLU):  # right, and wrong: all mistakes are built
        runtime.set_seed(0)
        expected = next_numbers()
        runtime.set_seed(0)
        check("residual.block", answer)
        assert next_numbers() == expected
    assert torch.get_num_threads() == count


def test_a_function_must_not_change_its_inputs_and_cannot_those_of_the_reference(system):
    def changes(logits, targets, k):
        value = metrics.top_k_accuracy(logits, targets, k)
        logits.zero_()
        return value

    assert "changes its input" in check("metrics.top_k_function", changes).message
    assert check("metrics.top_k_function", metrics.top_k_accuracy)


def test_gradients_are_on_whatever_the_notebook_has_set(system):
    with torch.no_grad():
        assert sandbox.run([torch.is_grad_enabled]) == [True]


@in_child
def test_what_a_function_prints_is_shown_up_to_a_limit(capsys):
    sandbox.run([lambda: print("shape"), lambda: print("x" * 10**6)])
    printed = capsys.readouterr().out
    assert printed.startswith("shape\nxxx")
    assert len(printed) == sandbox.MAX_PRINTED


@in_child
def test_code_that_torch_refuses_in_a_fork_runs_in_a_thread():
    home = os.getpid()

    def needs_cuda():
        if os.getpid() != home:
            raise RuntimeError("Cannot re-initialize CUDA in forked subprocess.")
        return 7

    assert sandbox.run([needs_cuda]) == [7]


def test_values_become_plain_data(system):
    class Word(str):
        pass

    endless = []
    endless.append(endless)
    odd = (np.array([None]), torch.ones(2, device="meta"), endless)
    values = (Word("a"), np.int64(3), nn.Parameter(torch.ones(2)), {"a": (iter([]), 1j)}, *odd)
    word, number, tensor, nested, *others = sandbox.run([lambda v=v: v for v in values])
    assert type(word) is str and word == "a"
    assert number == 3
    assert type(tensor) is torch.Tensor and not tensor.requires_grad
    assert nested == {"a": (Other("list_iterator"), Other("complex"))}
    assert [other.kind for other in others] == ["ndarray", "NotImplementedError", "RecursionError"]
    assert [sandbox.plain(value).kind for value in odd] == ["ndarray", "Tensor", "list"]


def test_an_exception_that_refuses_to_describe_itself(system):
    class Silent(Exception):
        def __str__(self):
            raise KeyboardInterrupt

    def fails():
        raise Silent

    assert sandbox.run([fails]) == [Raised("Silent", "without a message")]


def test_a_fork_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        over = threading.Event()
        thread = threading.Thread(target=over.wait)
        thread.start()
        assert sandbox.run([lambda: 1]) == [1]
        over.set()
        thread.join()
