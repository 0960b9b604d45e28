"""Indexes and calls apps with Microsoft's worker of Python 3.13 and later, which their package contains.

`python3.13 -I -S microsoft_worker.py PACKAGES FOLDER < CALLS`. FOLDER has one app per folder. CALLS is a JSON
object: folder -> list of objects with `function` and the `http`, `body` and `inputs` of a `WorkerProcess`,
bytes as Latin-1 text. Prints a JSON object: folder -> `functions` and `error` of the worker, its `calls`, and
as `local` what local Azure's worker answers when it indexes the app. A call has an `error`, or what the
worker sends to the host, as members of protobuf's TypedData.
"""

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PACKAGE = "azure_functions_runtime"


def typed_data(**members: Any) -> dict[str, Any]:
    """Stands in for a message of protobuf."""
    return {
        name: value.decode("latin-1") if isinstance(value, bytes) else value
        for name, value in members.items()
    }


class Message(SimpleNamespace):
    """Stands in for the messages whose members are not read here, and for the enumerations."""

    Success, Failure = "success", "failure"
    undefined, out, inout = 0, 1, 2


class Cookie(Message):
    SameSite = SimpleNamespace(**{"None": ""})


class Protocol:
    TypedData = RpcHttp = staticmethod(typed_data)
    RpcHttpCookie = Cookie

    def __getattr__(self, _name: str) -> type[Message]:
        return Message


def part(name: str) -> Any:
    """A module of the worker, which has no types."""
    return importlib.import_module(f"{PACKAGE}{name}")


def datum(kind: str, value: Any) -> Any:
    return part(".bindings.datumdef").Datum(value, kind)


def http_datum(http: dict[str, Any], body: str) -> Any:
    value: dict[str, Any] = {name: datum("string", http[name]) for name in ("method", "url")}
    for name in ("headers", "query", "params"):
        value[name] = {key: datum("string", text) for key, text in http[name].items()}
    return datum("http", {**value, "body": datum("bytes", body.encode("latin-1"))})


async def call(invocation: dict[str, Any], function: Any) -> dict[str, Any]:
    inputs = [(name, datum(value["type"], value["value"])) for name, value in invocation["inputs"].items()]
    if invocation["http"] is not None:
        bindings = [json.loads(text) for text in function.raw_bindings]
        name = next(binding["name"] for binding in bindings if binding["type"] == "httpTrigger")
        inputs.append((name, http_datum(invocation["http"], invocation["body"])))
    invoke = part(".native_invocation").invocation_request_native
    ok, returned, outputs, _, trace = await invoke("id", function.function_id, inputs, {})
    if not ok:
        return {"error": trace.splitlines()[-1]}
    to_message, protocol = part(".bindings.datumdef").datum_as_proto, Protocol()
    return {
        "returned": None if returned is None else to_message(returned, protocol),
        "outputs": {name: to_message(output, protocol) for name, output in outputs},
    }


async def run(app: Path, calls: list[dict[str, Any]]) -> dict[str, Any]:
    sys.path.insert(1, str(app))
    os.chdir(app)
    runtime = part("")
    runtime.start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=str(app))
    request = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=init), properties={"host": "", "protos": Protocol()}
    )
    response: Any = await runtime.worker_init_request(request)
    if response.result.status != Message.Success:
        return {"functions": [], "error": response.result.exception.message}
    listing: Any = await runtime.functions_metadata_request(request)
    functions: dict[str, Any] = {
        function.name: function for function in listing.function_metadata_results or ()
    }
    return {
        "functions": [
            {"name": name, "bindings": [json.loads(text) for text in function.raw_bindings]}
            for name, function in functions.items()
        ],
        "error": None,
        "calls": [await call(invocation, functions[invocation["function"]]) for invocation in calls],
    }


def index_locally(app: Path) -> Any:
    sys.path.append(str(Path(__file__).parents[2] / "functions_host"))
    return importlib.import_module("worker").Worker(None, str(app)).index()


def in_child(action: Callable[[], Any]) -> Any:
    """A worker indexes one app per process."""
    reading, writing = os.pipe()
    if not os.fork():
        os.close(reading)
        with open(writing, "w") as pipe:  # noqa: PTH123 # a descriptor
            json.dump(action(), pipe, default=vars)
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:  # noqa: PTH123 # a descriptor
        output = json.load(pipe)
    os.wait()
    return output


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    part("")  # imported once for all children
    importlib.import_module("azure.functions")
    calls = json.load(sys.stdin)
    outputs: dict[str, Any] = {}
    for app in Path(sys.argv[2]).iterdir():
        outputs[app.name] = {
            **in_child(lambda app=app: asyncio.run(run(app, calls.get(app.name, [])))),
            "local": in_child(lambda app=app: index_locally(app)),
        }
    json.dump(outputs, sys.stdout)


if __name__ == "__main__":
    main()
