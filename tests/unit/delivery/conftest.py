import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.unit.delivery.loopback import Azure, loopback


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Azure]:
    """A server that plays Azure, and somebody signed in to it."""
    with loopback(tmp_path) as server:
        for name in [name for name in os.environ if name.startswith(("ARM_", "AZURE_"))]:
            monkeypatch.delenv(name)
        for name, value in server.signs_in().items():
            monkeypatch.setenv(name, value)
        yield server
