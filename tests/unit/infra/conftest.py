import sys
from collections.abc import Generator, Mapping
from typing import Protocol

import pytest

from delivery.package import Package
from infra import program
from tests.fake_azure import Azure, signed_in_azure
from tests.unit.infra.recording import Run, run_program

PACKAGE = Package(path=".build/function_app.zip", content_hash="0123456789abcdef" * 4, size=1)


class RunStack(Protocol):
    def __call__(
        self, config: Mapping[str, object] | None = None, *, stack: str = "dev", preview: bool = False
    ) -> Run: ...


@pytest.fixture(autouse=True)
def tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain failure of a dynamic provider shortens the tracebacks of its process: not of this one."""
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)


@pytest.fixture
def run_stack(monkeypatch: pytest.MonkeyPatch) -> RunStack:
    """Runs the whole program; only the package is not built, since its wheels come from the network."""

    def build_package(_python_version: str) -> Package:
        return PACKAGE

    monkeypatch.setattr(program, "build_package", build_package)
    return run_program


@pytest.fixture
def azure() -> Generator[Azure]:
    with signed_in_azure() as azure:
        yield azure
