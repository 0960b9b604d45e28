from collections.abc import Generator

import pytest

from tests.fake_azure import Azure, fake_azure


@pytest.fixture
def azure() -> Generator[Azure]:
    with fake_azure() as azure:
        yield azure
