"""The whole training step as one CUDA graph: recorded once, then replayed.

A step of a small network is hundreds of kernels, the small programs that a GPU runs. Launching
them one by one from Python takes longer than running them, and the GPU waits. A CUDA graph is a
record of the launches; a replay starts all of them with one call.

A graph repeats exactly what was recorded, at the same addresses. So what changes from step to
step is read from tensors that stay where they are: order and draws of the epoch, the table of
learning rates, and a counter, which the step itself advances. Nothing in a step may wait for
the GPU, and the model's Python code does not run again. Dropout draws new numbers at each
replay, because a replay advances torch's generator.

The first steps of a run are called as usual. They also create what is created at its first use,
such as the averages of AdamW. Recording executes nothing, so no step is taken twice. In float16,
`GradScaler` keeps its scale and its overflow flag on the GPU, where the fused optimizers read
them: it is recorded like the rest.

Source: "CUDA graphs" in PyTorch's notes on CUDA semantics,
    https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs

Not yet run on a GPU: `count_waits`, `capture` and `on_side_stream`; training in float16; the
first momentum in `make_optimizer`; the batches of `predict`; and so every test marked `gpu`. On a
CPU, tests let a replay call the step: order, draws, rates and resuming are those of a GPU, and
only the recording is missing.
"""

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dlvlib.training.augment import Batches
from dlvlib.training.checkpoint import TrainState
from dlvlib.training.distributed import Shard
from dlvlib.training.precision import Forward

WARM_UP = 3  # steps that are called before the recording, as PyTorch's notes advise
TrainStep = Callable[[TrainState, Forward, Batches, list[Shard], float | Tensor], None]


class StepGraph:
    """A step on a whole batch: called at first, recorded after `WARM_UP` steps, then replayed."""

    def __init__(
        self, train_step: TrainStep, state: TrainState, forward: Forward, batches: Batches
    ) -> None:
        device, size = state.sums.device, batches.config.batch_size
        counter = torch.zeros(1, dtype=torch.int64, device=device)  # steps of the run
        in_batch = torch.arange(size, device=device)
        rates = torch.tensor(state.rates, dtype=torch.float32, device=device)

        def step() -> None:  # without `self`: a cycle would keep images and graph on the GPU
            rows = counter % state.num_steps * size + in_batch  # (B,) positions in the epoch
            lr = rates[counter].squeeze()  # a tensor, so that it can change between replays
            train_step(state, forward, batches, [Shard(rows, size, 1.0)], lr)
            counter.add_(1)

        self.state, self.counter, self.step, self.calls = state, counter, step, 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def take(self) -> None:
        """Take the step that the counter points to."""
        if self.graph is not None:
            self.graph.replay()
            return
        self.calls += 1
        if self.calls != WARM_UP:
            self.step()
        elif waits := count_waits(self.step):
            warn(f"the step waits for the GPU, times: {waits}")
        else:
            self.graph = capture(self.step, self.state.optimizer)


def prepare(
    train_step: TrainStep, state: TrainState, forward: Forward, batches: Batches
) -> StepGraph | None:
    """Return the step that is captured; None where `train_step` is called for each batch.

    That is so without a CUDA GPU, with `graph` off, and with `compile="reduce-overhead"`, which
    makes graphs of its own that cannot lie inside another one. It is so, too, for several shards
    or processes, with a warning.
    """
    config, processes = state.config, state.processes
    if not state.gpus or not config.graph or config.compile == "reduce-overhead":
        return None
    if config.accumulate > 1 or processes.world > 1:
        if processes.rank == 0:
            warn(f"accumulate is {config.accumulate}, the number of processes {processes.world}")
        return None
    return StepGraph(train_step, state, forward, batches)


@contextmanager
def in_epoch(graph: StepGraph | None) -> Iterator[None]:
    """Set the counter, and work on the side stream until the epoch is over."""
    if graph is None:
        yield
        return
    state = graph.state
    graph.counter.fill_((state.epoch - 1) * state.num_steps + state.step)
    with on_side_stream(graph.counter.device):
        yield
        state.optimizer.zero_grad()  # else the gradients keep the graph's memory alive


def count_waits(step: Callable[[], None]) -> int:
    """Take a step; return how often the CPU waited in it for the GPU, which a graph cannot do."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode(before)
    return sum("called a synchronizing" in str(warning.message) for warning in caught)


def capture(
    step: Callable[[], None], optimizer: torch.optim.Optimizer
) -> torch.cuda.CUDAGraph | None:
    """Record a step on the current stream without executing it; None, with a warning, if it fails.

    AdamW lets itself be recorded only if its groups are marked as capturable; a fused one
    computes the same with and without the mark.
    """
    graph, groups = torch.cuda.CUDAGraph(), optimizer.param_groups
    marked = [group for group in groups if "capturable" in group]
    try:
        for group in marked:
            group["capturable"] = True
        with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
            step()
        return graph
    except Exception as error:  # whatever the model does that cannot be recorded
        # Older versions of torch leave the generator in the mode of recording.
        generator = torch.cuda.default_generators[torch.cuda.current_device()]
        generator.graphsafe_set_state(generator.clone_state())
        cause = error.__context__ or error  # the end of a failed recording fails again
        warn((str(cause).strip() or type(cause).__name__).splitlines()[0])
        return None
    finally:
        for group in marked:
            group["capturable"] = False


@contextmanager
def on_side_stream(device: torch.device) -> Iterator[None]:
    """Work on a stream beside the default one, which cannot be recorded."""
    side, current = _side_stream(device), torch.cuda.current_stream(device)
    side.wait_stream(current)
    try:
        with torch.cuda.stream(side):
            yield
    finally:
        current.wait_stream(side)


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the same stream for all runs: cuBLAS keeps a workspace for every stream it saw."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def warn(reason: str) -> None:
    """Explain why each step is launched from Python."""
    message = f"graph=True is not possible here, training continues without it: {reason}"
    warnings.warn(message, RuntimeWarning, stacklevel=2)
