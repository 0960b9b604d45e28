from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from local_azure.core.store import Store
from local_azure.tests.frontends.pulumi.support import Engine, running_engine


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with running_engine(Store(tmp_path / "arm.json")) as one:
        await one.configure(location="swedencentral")
        yield one
