"""What all tests of the course kit need."""

import pytest


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Students' code may take long on a busy machine; a test of the limit sets a short one."""
    monkeypatch.setattr("coursekit.checks.engine.sandbox.TIME_LIMIT_SECONDS", 300.0)
    monkeypatch.setattr("coursekit.checks.engine.sandbox.STOPPING_SECONDS", 300.0)
