"""Kernels as forks of one process that has imported the big packages once for all of them."""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

LOADED = [
    "torch",
    "torch._dynamo",  # by the first optimizer that is made
    "torchvision",
    "matplotlib.pyplot",
    "sklearn.datasets",
    "ipykernel.kernelapp",
]
FEW = 3


def serve(connection_file: str, folder: str, environment: dict[str, str]) -> None:
    """Be a kernel until told to end, or until the process that forked this one has ended."""
    from ipykernel.kernelapp import IPKernelApp

    # As in any kernel. Otherwise a lock, such as tqdm's, would outlive a kernel that gets killed.
    multiprocessing.set_start_method("fork", force=True)
    os.chdir(folder)
    os.environ |= environment
    sys.path.insert(0, "")
    IPKernelApp.launch_instance(["-f", connection_file], parent_handle=os.getppid())


class Fork(ForkServerProcess):
    """A process with the methods of `subprocess.Popen` that Jupyter calls."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class ForkedKernelManager(AsyncKernelManager):
    """Starts a kernel as a fork."""

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        arguments = (self.connection_file, str(options.get("cwd") or Path.cwd()), options["env"])
        fork = Fork(target=serve, args=arguments)
        fork.start()
        self.provisioner.process, self.provisioner.pid = fork, fork.pid

    async def _async_interrupt_kernel(self) -> None:
        """Interrupt the kernel, except to end it: it may be idle, and would log the interrupt."""
        if not self.shutting_down:
            await super()._async_interrupt_kernel()


def manager_class(count: int) -> type[AsyncKernelManager]:
    """Return what starts `count` kernels, where that pays: forks of a process that loads first.

    Forks on Linux alone, as macOS may kill a forked torch.
    """
    if sys.platform != "linux" or count < FEW:
        return AsyncKernelManager
    # pyplot reads it when it is imported; a kernel of its own sets it first
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    multiprocessing.set_forkserver_preload(["__main__", __name__, *LOADED])
    return ForkedKernelManager
