from collections.abc import Mapping
from typing import Protocol

import pytest

from infra import program
from infra.package import Package
from tests.unit.infra.recording import Run, run_program

PACKAGE = Package(path=".build/function_app.zip", content_hash="0123456789abcdef" * 4, size=1)


class RunStack(Protocol):
    def __call__(
        self, config: Mapping[str, object] | None = None, *, stack: str = "dev", preview: bool = False
    ) -> Run: ...


@pytest.fixture
def run_stack(monkeypatch: pytest.MonkeyPatch) -> RunStack:
    """Runs the whole program; only the package is not built, since its wheels come from the network."""

    def build_package(_python_version: str) -> Package:
        return PACKAGE

    monkeypatch.setattr(program, "build_package", build_package)
    return run_program
