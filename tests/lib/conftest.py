"""The same random numbers for each test; and no test fails since the machine is busy."""

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def seeded():
    """Each test draws the same numbers of torch, whatever ran before."""
    torch.manual_seed(0)
