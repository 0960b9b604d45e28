import asyncio
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def azure_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The event loop of a local Azure in this process, so that tests can call it from another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="local azure", daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
