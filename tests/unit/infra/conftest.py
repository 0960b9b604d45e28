import sys
from collections.abc import Generator

import pytest

from tests.fake_azure import Azure, signed_in_azure


@pytest.fixture(autouse=True)
def tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain failure of a dynamic provider shortens the tracebacks of its process: not of this one."""
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)


@pytest.fixture
def azure() -> Generator[Azure]:
    with signed_in_azure() as azure:
        yield azure
