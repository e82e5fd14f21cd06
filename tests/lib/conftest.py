import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """Each test draws the same numbers of torch, whatever ran before."""
    torch.manual_seed(0)
