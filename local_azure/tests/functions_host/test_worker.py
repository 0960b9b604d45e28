"""The worker process, as far as Microsoft's worker shows nothing about it."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from local_azure import process_ids
from local_azure.functions_host.worker import Datum
from local_azure.functions_host.worker_process import (
    HandlerError,
    IndexingResponse,
    WorkerExitedError,
    WorkerProcess,
)
from local_azure.tests.functions_host.harness import DEADLINE, write_app
from tests.polling import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = """
import azure.functions as func
import asyncio, concurrent.futures, logging, os, sys, threading

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
log = logging.getLogger("mine")
log.warning("while the app is imported")
pool = concurrent.futures.ThreadPoolExecutor(1)

@app.route(route="where")
async def Where(req: func.HttpRequest) -> str:
    try:
        import aiohttp
        file = aiohttp.__file__
    except ImportError as error:
        file = str(error)
    return "\\n".join([file, os.getcwd(), *sys.path])

barrier = threading.Barrier(2, timeout=10)
event = asyncio.Event()

@app.route(route="meet")
def Meet(req: func.HttpRequest) -> str:
    barrier.wait()
    return threading.current_thread().name

@app.route(route="wait")
async def Wait(req: func.HttpRequest) -> str:
    await event.wait()
    return "woken"

@app.route(route="wake")
async def Wake(req: func.HttpRequest) -> str:
    event.set()
    return "set"

@app.route(route="bad")
def Bad(req: func.HttpRequest) -> str:
    if req.params["how"] == "raise":
        raise ValueError("on purpose")
    if req.params["how"] == "exit":
        sys.exit(3)
    os._exit(7)

def with_id(context, text):
    context.thread_local_storage.invocation_id = context.invocation_id
    log.warning(text)

async def child():
    log.warning("in a task of the function")

@app.route(route="logs")
def Logs(req: func.HttpRequest, context: func.Context) -> str:
    log.warning("in a function")
    pool.submit(log.warning, "in a thread without an id").result()
    pool.submit(with_id, context, "in a thread with the id").result()
    return "done"

@app.route(route="logs-async")
async def LogsAsync(req: func.HttpRequest, context: func.Context) -> str:
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(pool, log.warning, "in a thread with the id of an invocation that has ended")
    await asyncio.to_thread(log.warning, "in a thread of asyncio")
    await loop.run_in_executor(pool, with_id, context, "in a thread with the id")
    log.warning("after an await")
    await asyncio.create_task(child())
    return "done"
"""


class Running:
    def __init__(self, process: WorkerProcess, indexed: IndexingResponse) -> None:
        self.process = process
        self.indexed = indexed

    async def call(self, function: str, **query: str) -> Any:
        """The return value."""
        request = {"method": "POST", "url": "https://a/b?c", "headers": {}, "query": query, "params": {}}
        http = Datum({**request, "body": Datum(b"", "bytes")}, "http")
        outputs = await asyncio.wait_for(self.process.invoke(function, {"req": http}), DEADLINE)
        return outputs["$return"].value


@asynccontextmanager
async def started(root: Path) -> AsyncGenerator[Running]:
    process = WorkerProcess(sys.executable, root, {})
    try:
        yield Running(process, await process.start())
    finally:
        await process.stop()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_app(tmp_path_factory.mktemp("app"), APP)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(app: Path) -> AsyncGenerator[Running]:
    async with started(app) as process:
        yield process


async def test_lines_without_an_invocation_are_dropped(app: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Azure/azure-functions-python-worker #1158: the host knows no function that such a line belongs to."""
    async with started(app) as running:
        await running.call("Logs")
        await running.call("LogsAsync")
    assert caplog.record_tuples == [
        ("Worker.mine", logging.WARNING, "while the app is imported"),
        ("Function.Logs.User", logging.WARNING, "in a function"),
        ("Function.Logs.User", logging.WARNING, "in a thread with the id"),
        ("Function.LogsAsync.User", logging.WARNING, "in a thread with the id"),
        ("Function.LogsAsync.User", logging.WARNING, "after an await"),
        ("Function.LogsAsync.User", logging.WARNING, "in a task of the function"),
    ]


async def test_the_app_sees_the_zip_and_the_standard_library_only(running: Running, app: Path) -> None:
    error, folder, *path = (await running.call("Where")).splitlines()
    assert error == "No module named 'aiohttp'"
    assert folder == str(app)
    assert path[:2] == [str(app / ".python_packages/lib/site-packages"), str(app)]
    assert [entry for entry in path[2:] if "site-packages" in entry] == []


async def test_calls_run_side_by_side_in_threads_and_on_the_loop(running: Running) -> None:
    first, second = await asyncio.gather(running.call("Meet"), running.call("Meet"))
    assert first != second
    waiting = asyncio.create_task(running.call("Wait"))
    await running.call("Wake")
    assert await waiting == "woken"


async def test_a_handler_that_fails_leaves_its_traceback_and_the_worker_goes_on(running: Running) -> None:
    with pytest.raises(HandlerError, match="ValueError: on purpose"):
        await running.call("Bad", how="raise")
    assert await running.call("Wake") == "set"


@pytest.mark.parametrize("how", ["die", "exit"])
async def test_a_worker_that_dies_fails_its_calls_and_is_started_again(app: Path, how: str) -> None:
    async with started(app) as running:
        waiting = asyncio.create_task(running.call("Wait"))
        for call in (running.call("Bad", how=how), waiting):
            with pytest.raises(WorkerExitedError):
                await call
        assert await running.process.wait_until_ready(DEADLINE)
        assert await running.call("Wake") == "set"


async def test_a_worker_ends_with_its_host(app: Path, tmp_path: Path) -> None:
    """Also when the host was killed and a handler holds the worker's only loop."""
    code = f"""
import asyncio, os, sys
from pathlib import Path
from local_azure.functions_host.worker_process import WorkerProcess
async def main():
    process = WorkerProcess(sys.executable, Path({str(app)!r}), {{}})
    await process.start()
    Path({str(tmp_path / "pid")!r}).write_text(str(process._process.pid))
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    host = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await host.wait() == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())
    await asyncio.to_thread(wait_for, lambda: not process_ids.runs(pid), "end of the worker", DEADLINE)


ENDED = "The worker ended with code {} while it imported the functions."


@pytest.mark.parametrize(
    ("source", "error", "has_traceback"),
    [
        ("import not_in_the_zip", "ModuleNotFoundError: No module named 'not_in_the_zip'", True),
        ("import sys; sys.exit(3)", ENDED.format(3), False),
        ("import os; os._exit(9)", ENDED.format(9), False),
        (None, "FileNotFoundError: function_app.py is missing at the root of the zip", True),
    ],
)
async def test_an_app_that_cannot_be_indexed_says_why(
    tmp_path: Path, source: str | None, error: str, has_traceback: bool
) -> None:
    root = write_app(tmp_path, source or "")
    if source is None:
        (root / "function_app.py").unlink()
    async with started(root) as running:
        assert running.indexed.functions == ()
        assert str(running.indexed.error).startswith(error)
        assert bool(running.indexed.traceback) is has_traceback
