from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from local_azure.tests.frontends.pulumi.support import Cloud, Engine, running_engine


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path / "arm.json")


@pytest_asyncio.fixture
async def engine(cloud: Cloud) -> AsyncIterator[Engine]:
    async with running_engine(cloud) as engine:
        yield engine
