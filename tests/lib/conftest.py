"""The same random numbers and one thread for each test; none fails on a busy machine."""

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def seeded():
    """Each test draws the same numbers of torch, whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def one_thread():
    """The last bits of a sum depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
