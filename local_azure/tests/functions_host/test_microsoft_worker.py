"""Local Azure's worker against Microsoft's, `azure-functions-runtime`, which the packages for 3.13 pin."""

import asyncio
import json
import re
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from delivery.package import PROJECT_ROOT, build_package
from local_azure.functions_host.worker import Datum
from local_azure.functions_host.worker_process import HandlerError, WorkerProcess
from local_azure.tests.functions_host import microsoft_worker
from tools.interpreters import find_interpreter

VERSION = "3.13"
PYTHON = find_interpreter(VERSION)
PACKAGES = ".python_packages"
SETTINGS = {"AzureOpenAI__endpoint": "https://127.0.0.1:9/", "CHAT_MODEL_DEPLOYMENT_NAME": "chat"}
START = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""
ROUTE = "@app.route(route='a')\n"
OUT = "@app.generic_output_binding(arg_name='o', type='queue')\n"
POST = f"{ROUTE}@app.assistant_post_input(arg_name='state', id='a', user_message='b')\n"
TIMER = "@app.timer_trigger(arg_name='t', schedule='0 0 0 * * *')\n"
SKILL = "@app.assistant_skill_trigger(arg_name='s', function_description='x')\n"

FUNCTIONS = (
    START
    + """
import asyncio, typing

@app.route(route="echo/{id}", methods=["POST"])
def Echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    known = (context.function_name, context.function_directory, context.trace_context.trace_parent,
        context.retry_context.retry_count, req.method, req.url, req.params, req.route_params)
    response = func.HttpResponse(req.get_body(), status_code=201, headers={"x": repr(known)})
    response.headers.add("Set-Cookie", "a=b; Path=/")
    return response

@app.route(route="text")
async def Text(req: func.HttpRequest, context) -> str:
    await asyncio.sleep(0)
    return "text"

OUTPUTS = {"str": "text", "dict": {"a": "ä"}, "list": [1], "bytes": b"\\x00\\xff", "int": 5, "float": 1.5,
    "bool": True, "none": None, "set": {1}}

@app.route(route="out")
@app.generic_output_binding(arg_name="plain", type="assistantCreate")
@app.generic_output_binding(arg_name="annotated", type="assistantCreate")
def Out(req: func.HttpRequest, plain, annotated: func.Out[bytes]) -> func.HttpResponse:
    if req.params["kind"] != "unset":
        plain.set("earlier")
        plain.set(OUTPUTS[req.params["kind"]])
        annotated.set(OUTPUTS[req.params["kind"]])
    return func.HttpResponse(status_code=204)

@app.route(route="bad")
def Bad(req: func.HttpRequest):
    if req.params["how"] == "raise":
        raise ValueError("on purpose")
    return None if req.params["how"] == "none" else {1}

@app.route(route="state")
@app.assistant_post_input(arg_name="state", id="a", user_message="b")
def State(req: func.HttpRequest, state: str) -> str:
    return state

@app.route(route="bytes")
@app.assistant_query_input(arg_name="state", id="a", timestamp_utc="b")
def Bytes(req: func.HttpRequest, state: bytes) -> str:
    return repr(state)

@app.assistant_skill_trigger(arg_name="kind", function_description="x")
def Skill(kind: str) -> typing.Any:
    return OUTPUTS[kind]

@app.timer_trigger(arg_name="t", schedule="0 0 0 * * *")
def Tick(t: func.TimerRequest):
    return "more than nothing" if t.past_due else None

@app.timer_trigger(arg_name="t", schedule="0 0 0 * * *")
def TickAsText(t: str) -> None:
    raise ValueError(t)
"""
)


def http(function: str, body: str = "", /, **query: str) -> dict[str, Any]:
    request = {"method": "POST", "url": "https://a/b?c", "headers": {"A": "b"}, "query": query}
    return {
        "function": function,
        "http": {**request, "params": {"id": "5", "assistantId": "a"}},
        "body": body,
        "inputs": {},
    }


def other(function: str, parameter: str, value: str, kind: str = "string") -> dict[str, Any]:
    inputs = {parameter: {"type": kind, "value": value}}
    return {"function": function, "http": None, "body": "", "inputs": inputs}


KINDS = ("str", "dict", "list", "bytes", "int", "float", "bool", "none", "set")
CALLS = [
    http("Echo", "\x00\xff"),
    http("Text"),
    *(http("Out", kind=kind) for kind in (*KINDS, "unset")),
    *(http("Bad", how=how) for how in ("raise", "none", "type")),
    *(
        {**http(name), "inputs": {"state": {"type": "string", "value": '{"ä": 1}'}}}
        for name in ("State", "Bytes")
    ),
    *(other("Skill", "kind", kind) for kind in KINDS),
    *(
        other(name, "t", json.dumps({"IsPastDue": past_due}), "json")
        for name, past_due in (("Tick", False), ("Tick", True), ("TickAsText", True))
    ),
]
PACKAGED_CALLS = [
    http("Health"),
    http("CreateAssistant", "no JSON"),
    http("PostMessage"),
    other("AddTodo", "taskDescription", ""),
]

SOURCES = {
    "no app": "",
    "two apps": f"{START}other = func.FunctionApp()",
    "no functions": START,
    "import": "import not_in_the_package",
    "import a name": "from json import not_in_it",
    "syntax": "def broken(:",
    "unbound parameter": f"{START}{ROUTE}def a(req, more): pass",
    "missing parameter": f"{START}{ROUTE}def a(): pass",
    "parameter of another name": f"{START}{ROUTE}def a(other): pass",
    "context of another type": f"{START}{ROUTE}def a(req, context: str): pass",
    "output without Out": f"{START}{OUT}{ROUTE}def a(req, o: str): pass",
    "Out without a type": f"{START}{OUT}{ROUTE}def a(req, o: func.Out): pass",
    "Out of another type": f"{START}{OUT}{ROUTE}def a(req, o: func.Out[dict]): pass",
    "input with Out": f"{START}{ROUTE}def a(req: func.Out[str]): pass",
    "request of another type": f"{START}{ROUTE}def a(req: int): pass",
    "request as text": f"{START}{ROUTE}def a(req: str): pass",
    "state of another type": f"{START}{POST}def a(req, state: dict): pass",
    "state of two types": f"{START}{POST}def a(req, state: str | None): pass",
    "generic state": f"{START}{POST}def a(req, state: list[str]): pass",
    "timer of another type": f"{START}{TIMER}def a(t: dict): pass",
    "timer as text": f"{START}{TIMER}def a(t: str): pass",
    "response of another type": f"{START}{ROUTE}def a(req) -> dict: pass",
    "response of two types": f"{START}{ROUTE}def a(req) -> str | None: pass",
    "no response": f"{START}{ROUTE}def a(req) -> None: pass",
    "skill that returns a list": f"{START}{SKILL}def a(s: str) -> list: pass",
    "name given twice": f"{START}{ROUTE}def a(req): pass\n@app.function_name('a')\n{ROUTE}def b(req): pass",
    "no trigger": f"{START}{OUT}def a(o): pass",
    "two functions": f"{START}{TIMER}def b(t): pass\n{OUT}{ROUTE}def a(o, req): pass",
}


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the app as it is packaged, and with the apps above in its place."""
    folder = tmp_path_factory.mktemp("apps")
    package = build_package(VERSION, out=Path(f".build/test/python{VERSION}.zip"))
    with zipfile.ZipFile(PROJECT_ROOT / package.path) as archive:
        archive.extractall(folder / "packaged")
    for name, source in {"functions": FUNCTIONS, **SOURCES}.items():
        (folder / name).mkdir()
        (folder / name / PACKAGES).symlink_to(folder / "packaged" / PACKAGES)
        (folder / name / "function_app.py").write_text(source)
    return folder


@pytest.fixture(scope="module")
def microsoft(apps: Path) -> dict[str, dict[str, Any]]:
    script = microsoft_worker.__file__
    packages = apps / "packaged" / PACKAGES / "lib" / "site-packages"
    assert PYTHON is not None
    finished = subprocess.run(
        [PYTHON, "-I", "-S", script, packages, apps],
        input=json.dumps({"functions": CALLS, "packaged": PACKAGED_CALLS}),
        env=SETTINGS,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(finished.stdout)


async def call_locally(app: Path, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert PYTHON is not None
    process = WorkerProcess(PYTHON, app, SETTINGS)
    await process.start()
    try:
        return [await local_call(process, call) for call in calls]
    finally:
        await process.stop()


async def local_call(process: WorkerProcess, call: Mapping[str, Any]) -> dict[str, Any]:
    inputs = {name: Datum(value["value"], value["type"]) for name, value in call["inputs"].items()}
    if call["http"] is not None:
        body = Datum(call["body"].encode("latin-1"), "bytes")
        inputs["req"] = Datum({**call["http"], "body": body}, "http")
    try:
        outputs = await process.invoke(call["function"], inputs)
    except HandlerError as error:
        return {"error": str(error).splitlines()[-1]}
    values = {name: typed_data(value) for name, value in outputs.items()}
    return {"returned": values.pop("$return", None), "outputs": values}


def typed_data(value: Datum) -> dict[str, Any]:
    match value:
        case Datum(http, "http"):
            cookies = [cookie.partition(";")[0] for cookie in http["cookies"]]
            return {**http, "cookies": cookies, "body": typed_data(http["body"])}
        case Datum(content, "bytes"):
            return {"bytes": content.decode("latin-1")}
        case _:
            return {str(value.type): value.value}


def as_the_host_sees_it(call: dict[str, Any]) -> dict[str, Any]:
    """A call of `microsoft` as `local_call` has it: the host makes JSON of numbers."""
    if "error" in call:
        return call
    returned = call["returned"]
    if returned is not None and "http" in returned:
        http = returned["http"]
        returned = {
            "status": http["status_code"],
            "headers": http["headers"],
            "cookies": [f"{cookie['name']}={cookie['value']}" for cookie in http["cookies"] or ()],
            "body": http["body"],
        }
    return {
        "returned": returned and number_as_json(returned),
        "outputs": {name: number_as_json(value) for name, value in call["outputs"].items()},
    }


def number_as_json(value: dict[str, Any]) -> dict[str, Any]:
    if "int" in value:
        return {"json": json.dumps(int(value["int"]))}  # protobuf has a number for True
    return {"json": json.dumps(value["double"])} if "double" in value else value


pytestmark = pytest.mark.skipif(PYTHON is None, reason=f"there is no Python {VERSION} to run the worker on")


@pytest.mark.parametrize(("app", "calls"), [("packaged", PACKAGED_CALLS), ("functions", CALLS)])
def test_calls(
    apps: Path, microsoft: dict[str, dict[str, Any]], app: str, calls: list[dict[str, Any]]
) -> None:
    """Return values, outputs, and the errors that reach the log."""
    actual = asyncio.run(call_locally(apps / app, calls))
    for call, local_call, microsoft_call in zip(calls, actual, microsoft[app]["calls"], strict=True):
        assert (call, local_call) == (call, as_the_host_sees_it(microsoft_call))


@pytest.mark.parametrize("app", ["packaged", "functions", *SOURCES])
def test_names_bindings_their_order_and_errors(microsoft: dict[str, dict[str, Any]], app: str) -> None:
    local, expected = microsoft[app]["local"], microsoft[app]
    assert [{"name": name, "bindings": bindings} for name, bindings in local["functions"]] == expected[
        "functions"
    ]
    assert error_start(local["error"]) == error_start(expected["error"])


def error_start(error: str | None) -> str | None:
    """Without what only Microsoft's worker adds, and without what each of the two says of an annotation."""
    added = r"\. Cannot find module.*|(?<= function: ).*(?:annotation|of type azure\.functions\.Context).*"
    return error and re.sub(added, "", error, count=1, flags=re.DOTALL)
