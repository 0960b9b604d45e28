"""The app of the recordings: the functions of functions.json, which answer as the current case says."""

import base64
import inspect
import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import azure.functions as func
from azure.functions.http import HttpResponseConverter
from azure.functions.meta import Datum

FOLDER = Path(os.environ["RECORDING"])
"""`answer.json`: what the functions answer; `invoked.jsonl`: a line for each call."""

FUNCTIONS: dict[str, list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("functions.json").read_text()
)
STORAGE = {"chatStorageConnectionSetting": "AzureWebJobsStorage", "collectionName": "ChatState"}

app: Any = func.FunctionApp()  # its decorators leave their options open


def text_or_bytes(content: bytes) -> dict[str, str]:
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def call_of(function: str, values: dict[str, Any]) -> dict[str, Any]:
    call: dict[str, Any] = {"function": function}
    request = values.get("req")
    inputs = {name: value for name, value in values.items() if name in ("state", "about")}
    if request is not None:
        body = request.get_body()
        call["request"] = {
            "method": request.method,
            "url": request.url,
            "headers": dict(request.headers),
            "params": dict(request.route_params),
            "query": dict(request.params),
            **({"body": text_or_bytes(body)} if body else {}),
        }
    if inputs:
        call["inputs"] = {name: {"string": value} for name, value in inputs.items()}
    return call


class Recorded(NamedTuple):
    """A return value as the recorded worker sent it to the host."""

    typed_data: dict[str, Any] | None


def datum(typed_data: dict[str, Any]) -> Datum:
    [(kind, value)] = typed_data.items()
    if kind != "http":
        return Datum(value.encode() if kind == "bytes" else value, kind)
    bodies = {"body": "bytes", "bodyString": "string", "bodyJson": "json"}
    body = [datum({kind: value[name]}) for name, kind in bodies.items() if name in value]
    headers = {name: Datum(text, "string") for name, text in value.get("headers", {}).items()}
    status = Datum(value["status"], "string")
    parts = {"status_code": status, "headers": headers, "cookies": None, "body": body[0] if body else None}
    return Datum(parts, "http")


encode_response: Any = HttpResponseConverter.encode


def encode(value: Any, *, expected_type: type | None) -> Any:
    """In place of the converter of azure.functions, which makes no such typed data of any value."""
    if not isinstance(value, Recorded):
        return encode_response(value, expected_type=expected_type)
    return None if value.typed_data is None else datum(value.typed_data)


setattr(HttpResponseConverter, "encode", staticmethod(encode))  # noqa: B010 # another kind of method


def output_of(answer: dict[str, Any], request: func.HttpRequest) -> Any:
    if "requests" not in answer:
        create = {"id": ":".join(request.route_params.values()), "instructions": "Be brief.", **STORAGE}
        return json.dumps(create).encode()
    [(kind, text)] = answer["requests"].items()
    return {"bytes": text.encode(), "string": text}[kind] if kind != "json" else json.loads(text)


def run(function: str, values: dict[str, Any]) -> Any:
    with (FOLDER / "invoked.jsonl").open("a") as invoked:
        invoked.write(json.dumps(call_of(function, values)) + "\n")
    answer: dict[str, Any] = json.loads((FOLDER / "answer.json").read_text())
    if answer.get("crash"):
        os._exit(5)
    if "fail" in answer:
        raise ValueError(answer["fail"])
    time.sleep(answer.get("sleep", 0))
    if "requests" in values:
        values["requests"].set(output_of(answer, values["req"]))
    if "ret" in answer or "noReturn" in answer:
        return Recorded(answer.get("ret"))
    if "about" in values:
        return '["buy milk"]'
    if "state" in values:
        return func.HttpResponse(values["state"], mimetype=answer["stateType"])
    if "requests" in values:
        return func.HttpResponse('{"accepted": true}', status_code=202, mimetype="application/json")
    return func.HttpResponse(f"ok {function}")


def add(function: str, bindings: list[dict[str, Any]]) -> None:
    def handler(**values: Any):  # the worker takes no annotation Any for an output of HTTP
        return run(function, values)

    names = [binding["name"] for binding in bindings if binding["name"] != "$return"]
    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
    setattr(handler, "__signature__", inspect.Signature(parameters))  # noqa: B010 # a function has no such member
    handler.__annotations__.clear()  # the worker compares them with the bindings
    decorated: Any = handler
    for binding in bindings:
        match binding:
            case {"type": "httpTrigger", "authLevel": level, "route": route}:
                decorated = app.route(
                    route=route, methods=binding.get("methods"), auth_level=func.AuthLevel(level)
                )(decorated)
            case {"type": "http"}:
                pass  # comes with the route
            case {"name": name, "direction": direction, **properties}:
                add_binding = {"in": app.generic_input_binding, "out": app.generic_output_binding}[direction]
                if properties["type"].endswith("Trigger"):
                    add_binding = app.generic_trigger
                decorated = add_binding(arg_name=name, **properties)(decorated)
            case _:
                raise ValueError(f"{function}: {binding}")
    app.function_name(function)(decorated)


for function_name, function_bindings in FUNCTIONS.items():
    add(function_name, function_bindings)
