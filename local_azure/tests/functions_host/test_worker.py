import asyncio
import re
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from local_azure import process_ids
from local_azure.functions_host.worker_process import (
    HandlerError,
    IndexingResponse,
    InvocationResponse,
    WorkerExitedError,
    WorkerProcess,
)
from local_azure.tests.functions_host.harness import DEADLINE, until, write_app

START = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""

POST = """
@app.route(route="a")
@app.assistant_post_input(arg_name="state", id="a", user_message="b")
"""

APP = (
    START
    + """
import asyncio, logging, os, sys, threading, time

@app.route(route="echo/{id}", methods=["POST"])
def Echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    logging.getLogger("mine").warning("echoed")
    answer = func.HttpResponse(req.get_body(), status_code=201, headers={"x-id": req.route_params["id"]})
    answer.headers["x-context"] = context.function_name
    answer.headers["x-url"] = req.url
    answer.headers.add("Set-Cookie", "a=b; Path=/")
    return answer

@app.route(route="out")
@app.generic_output_binding(arg_name="requests", type="assistantCreate")
def Out(req: func.HttpRequest, requests: func.Out) -> str:
    kind = req.params["kind"]
    if kind != "unset":
        requests.set("earlier")
        values = {"str": "text", "dict": {"a": "\\u00e4"}}
        values |= {"list": [1], "bytes": b"\\x00\\xff", "none": None, "int": 5}
        requests.set(values[kind])
    return "done"

@app.route(route="where")
async def Where(req: func.HttpRequest) -> func.HttpResponse:
    try:
        import aiohttp
        found = aiohttp.__file__
    except ImportError as error:
        found = str(error)
    return func.HttpResponse("\\n".join([found, os.getcwd(), *sys.path]))

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
def Bad(req: func.HttpRequest) -> func.HttpResponse:
    if req.params["how"] == "raise":
        raise ValueError("on purpose")
    if req.params["how"] == "exit":
        sys.exit(3)
    if req.params["how"] == "die":
        os._exit(7)
    return None
"""
)


class Running:
    def __init__(
        self, process: WorkerProcess, indexed: IndexingResponse, logged: list[tuple[str, int, str]]
    ) -> None:
        self.process = process
        self.indexed = indexed
        self.logged = logged

    async def call(self, function: str, body: bytes = b"", **query: str) -> InvocationResponse:
        http: dict[str, Any] = {
            "method": "POST",
            "url": "https://a/b?c",
            "headers": {},
            "query": query,
            "params": {"id": "5"},
        }
        return await asyncio.wait_for(self.process.invoke(function, http, body), DEADLINE)


@asynccontextmanager
async def worker(root: Path, **environment: str) -> AsyncGenerator[Running]:
    logged: list[tuple[str, int, str]] = []

    def sink(category: str, level: int, message: str) -> None:
        logged.append((category, level, message))

    process = WorkerProcess(sys.executable, root, environment, sink)
    try:
        yield Running(process, await process.start(), logged)
    finally:
        await process.stop()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_app(tmp_path_factory.mktemp("app"), APP)


async def test_functions_are_indexed_with_their_raw_bindings(app: Path) -> None:
    async with worker(app) as running:
        assert running.indexed.error is None
        names = [one.name for one in running.indexed.functions]
        assert names == ["Echo", "Out", "Where", "Meet", "Wait", "Wake", "Bad"]
        bindings = {one["name"]: one for one in running.indexed.functions[1].bindings}
        assert bindings["requests"] == {"direction": "OUT", "type": "assistantCreate", "name": "requests"}
        assert bindings["req"]["route"] == "out"


async def test_a_handler_gets_the_request_and_answers_it(app: Path) -> None:
    async with worker(app) as running:
        result = await running.call("Echo", b"\x00body")
        assert result.content == b"\x00body"
        assert result.response is not None
        assert result.response["status"] == "201"
        headers = result.response["headers"]
        assert (headers["x-id"], headers["x-context"], headers["x-url"]) == ("5", "Echo", "https://a/b?c")
        assert result.response["cookies"] == ["a=b; Path=/"]
        assert ("Function.Echo.User", 30, "echoed") in running.logged


LOGGING_APP = (
    START
    + """
import asyncio, concurrent.futures, logging

log = logging.getLogger("mine")
log.warning("while the app is imported")
pool = concurrent.futures.ThreadPoolExecutor(1)

def with_id(context, text):
    context.thread_local_storage.invocation_id = context.invocation_id
    log.warning(text)

async def child():
    log.warning("in a task of the function")

@app.route(route="sync")
def Sync(req: func.HttpRequest, context: func.Context) -> str:
    log.warning("in a function")
    pool.submit(log.warning, "in a thread without an id").result()
    pool.submit(with_id, context, "in a thread with the id").result()
    return "done"

@app.route(route="async")
async def Async(req: func.HttpRequest, context: func.Context) -> str:
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(pool, log.warning, "in a thread with the id of an invocation that has ended")
    await asyncio.to_thread(log.warning, "in a thread of asyncio")
    await loop.run_in_executor(pool, with_id, context, "in a thread with the id")
    log.warning("after an await")
    await asyncio.create_task(child())
    return "done"
"""
)


async def test_lines_without_the_id_of_a_running_invocation_are_dropped(tmp_path: Path) -> None:
    """Azure/azure-functions-python-worker #1158: the host knows no function that such a line belongs to."""
    async with worker(write_app(tmp_path, LOGGING_APP)) as running:
        await running.call("Sync")
        await running.call("Async")
        assert running.logged == [
            ("Worker.mine", 30, "while the app is imported"),
            ("Function.Sync.User", 30, "in a function"),
            ("Function.Sync.User", 30, "in a thread with the id"),
            ("Function.Async.User", 30, "in a thread with the id"),
            ("Function.Async.User", 30, "after an await"),
            ("Function.Async.User", 30, "in a task of the function"),
        ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("str", ("string", "text")),
        ("dict", ("json", '{"a": "\\u00e4"}')),
        ("list", ("json", "[1]")),
        ("bytes", ("bytes", b"\x00\xff")),
        ("none", None),
        ("unset", None),
    ],
)
async def test_an_output_is_encoded_by_its_type_and_the_last_set_wins(
    app: Path, kind: str, expected: tuple[str, str | bytes] | None
) -> None:
    async with worker(app) as running:
        result = await running.call("Out", kind=kind)
        found = result.outputs.get("requests")
        assert (None if found is None else (found.kind, found.value)) == expected
        assert result.response == {"type": "string"}
        assert result.content == b"done"


async def test_an_output_of_another_type_fails_the_call(app: Path) -> None:
    async with worker(app) as running:
        with pytest.raises(HandlerError, match='unsupported Python type "int"'):
            await running.call("Out", kind="int")


async def test_the_app_sees_the_zip_and_the_standard_library_only(app: Path) -> None:
    async with worker(app) as running:
        found, folder, *path = (await running.call("Where")).content.decode().splitlines()
        assert found == "No module named 'aiohttp'"
        assert folder == str(app)
        assert path[:2] == [str(app / ".python_packages/lib/site-packages"), str(app)]
        assert [one for one in path[2:] if "site-packages" in one] == []


async def test_calls_run_side_by_side_in_threads_and_on_the_loop(app: Path) -> None:
    async with worker(app) as running:
        first, second = await asyncio.gather(running.call("Meet"), running.call("Meet"))
        assert first.content != second.content
        waiting = asyncio.create_task(running.call("Wait"))
        await running.call("Wake")
        assert (await waiting).content == b"woken"


@pytest.mark.parametrize(
    ("how", "says"),
    [("raise", "ValueError: on purpose"), ("exit", "SystemExit: 3"), ("none", 'for Python type "NoneType"')],
)
async def test_a_handler_that_fails_leaves_its_traceback_and_the_worker_goes_on(
    app: Path, how: str, says: str
) -> None:
    async with worker(app) as running:
        with pytest.raises(HandlerError, match=says):
            await running.call("Bad", how=how)
        assert (await running.call("Echo")).content == b""


async def test_a_worker_that_dies_fails_its_calls_and_is_started_again(app: Path) -> None:
    async with worker(app) as running:
        waiting = asyncio.create_task(running.call("Wait"))
        with pytest.raises(WorkerExitedError):
            await running.call("Bad", how="die")
        with pytest.raises(WorkerExitedError):
            await waiting
        assert await running.process.wait_until_ready(DEADLINE)
        assert running.process.restarts == 1
        assert (await running.call("Echo", b"again")).content == b"again"


async def test_a_worker_ends_with_its_host(app: Path, tmp_path: Path) -> None:
    """Also when the host was killed and a handler holds the worker's only loop."""
    code = f"""
import asyncio, os, sys
from pathlib import Path
from local_azure.functions_host.worker_process import WorkerProcess
async def main():
    process = WorkerProcess(sys.executable, Path({str(app)!r}), {{}}, lambda *entry: None)
    await process.start()
    Path({str(tmp_path / "pid")!r}).write_text(str(process._process.pid))
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    host = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await host.wait() == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())

    await asyncio.to_thread(until, lambda: not process_ids.runs(pid), "end of the worker")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            START + "import not_in_the_zip",
            "ModuleNotFoundError: No module named 'not_in_the_zip'. Cannot find module.",
        ),
        ("def broken(:", "SyntaxError"),
        ("import azure.functions", "Could not find a top level function app instance"),
        (START + "other = func.FunctionApp()", "More than one top level function app instance"),
        (START, "has no functions"),
        (
            START + "@app.route(route='a')\ndef a(req, more): pass",
            r"not in the function definition: \['more'\]",
        ),
        (START + "@app.route(route='a')\ndef a(other): pass", r"but not in Python: \['req'\]"),
        (
            START + "@app.generic_output_binding(arg_name='o', type='queue')\n"
            "@app.route(route='a')\ndef a(req, o: str): pass",
            "not a subclass of azure.functions.Out",
        ),
        (
            START + "@app.route(route='a')\ndef a(req): pass\n"
            "@app.function_name('a')\n@app.route(route='b')\ndef b(req): pass",
            "does not have a unique function name",
        ),
        (
            START + "@app.generic_output_binding(arg_name='o', type='queue')\ndef a(o): pass",
            "does not have a trigger",
        ),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        (
            START + POST + "def a(req, state: dict): pass",
            'type of state binding in function.json "assistantPost" does not match .* annotation "dict"',
        ),
        (
            "from __future__ import annotations" + START + POST + "def a(req, state: int): pass",
            'does not match its Python annotation "int"',
        ),
        (
            START + POST + "def a(req, state: str | None): pass",
            r"binding state has invalid non-type annotation str \| None",
        ),
        (
            START + "@app.timer_trigger(arg_name='t', schedule='0 0 0 * * *')\ndef a(t: str): pass",
            'type of t binding in function.json "timerTrigger" does not match',
        ),
    ],
)
async def test_an_app_that_cannot_be_indexed_says_why(tmp_path: Path, source: str, says: str) -> None:
    async with worker(write_app(tmp_path, source)) as running:
        assert running.indexed.functions == ()
        assert running.indexed.error is not None
        assert running.indexed.traceback is not None

        assert re.search(says, running.indexed.error), running.indexed.error


async def test_a_package_without_function_app_says_so(tmp_path: Path) -> None:
    root = write_app(tmp_path, "")
    (root / "function_app.py").unlink()
    async with worker(root) as running:
        assert (
            running.indexed.error
            == "LoadError: function_app.py is missing at the root of the zip: there are no functions."
        )


async def test_a_worker_that_dies_while_it_imports_is_an_error(tmp_path: Path) -> None:
    async with worker(write_app(tmp_path, "import os; os._exit(9)")) as running:
        assert running.indexed.error == "The worker ended with code 9 while it imported the functions."


async def test_the_app_sees_only_the_given_environment(tmp_path: Path) -> None:
    source = f"""{START}
import os
@app.route(route="a")
def a(req: func.HttpRequest) -> str:
    return ",".join(sorted(os.environ))
"""
    async with worker(write_app(tmp_path, source), SETTING="x") as running:
        names = set((await running.call("a")).content.decode().split(","))
        # LC_CTYPE is what Python itself sets in a C locale.
        assert names - {"LC_CTYPE"} == {"SETTING"}
