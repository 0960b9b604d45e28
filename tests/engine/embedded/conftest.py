from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.embedded.fake_provider import FakeAzure, fake_azure
from tests.engine.embedded.playground import Playground


@pytest.fixture
def azure() -> Iterator[FakeAzure]:
    with fake_azure() as found:
        yield found


@pytest.fixture
def play(azure: FakeAzure, tmp_path: Path) -> Playground:
    """A project with an empty program and a stack `local` that has nothing in it."""
    playground = Playground.make(tmp_path, azure.port)
    playground.engine("stack", "init", "local")
    return playground
