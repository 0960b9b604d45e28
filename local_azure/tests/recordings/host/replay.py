"""Sends the request of a recorded case to the Functions host of local Azure and compares what happens."""

import base64
import http.client
import io
import json
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from local_azure.functions_host import binding_data, request_target
from local_azure.tests.functions_host.harness import TestSite, until
from local_azure.tests.functions_host.model import Reply, ScriptedModel, says
from local_azure.tests.recordings.host.comparison import SHORTENED, Record, differences

FOLDER = Path(__file__).parent
APP = {name: (FOLDER / name).read_text() for name in ("function_app.py", "functions.json")}
FUNCTIONS: Mapping[str, Any] = json.loads(APP["functions.json"])

_MEGABYTE = 1 << 20
_FRAMING = frozenset({"server", "date", "transfer-encoding", "connection", "content-length"})
"""Headers of a response that are the HTTP server's own. Local Azure sends a length, Kestrel sends chunks."""

_REPLIES: Mapping[str, Sequence[Reply]] = {
    "model/no-json": [Reply(200, b"<html>")],
    "model/empty-choices": [
        Reply(200, {"choices": [], "usage": {"total_tokens": 1, "completion_tokens": 1}})
    ],
    "http/body-1MB-message": [says("ok")],
    "rpc-request/client-leaves-model": [says("late")],
}
"""Answers of the model where the response of the function does not have them."""


def groups() -> dict[str, list[Record]]:
    """The cases of each group in their order; `cold` needs a host that has seen no key."""
    files = sorted(FOLDER.glob("*.json"), key=lambda file: (file.stem != "cold", file.stem))
    return {file.stem: json.loads(file.read_text()) for file in files if file.stem != "functions"}


class Replay:
    def __init__(self, site: TestSite, model: ScriptedModel, folder: Path) -> None:
        self._site = site
        self._model = model
        self._folder = folder
        keys = site.keys
        self._keys = {"HOSTKEY": keys["default"], "MASTERKEY": keys["master"]}
        for function in FUNCTIONS:
            answer = site.send(
                "GET", f"/admin/functions/{function}/keys", headers={"x-functions-key": keys["master"]}
            )
            if answer.status == 200:
                self._keys[f"FUNCKEY-{function.lower()}"] = answer.json()["keys"][0]["value"]
        cased = {"hostkey": keys["default"].lower(), "HostKey": keys["default"].swapcase()}
        lower = {name.lower(): key.lower() for name, key in self._keys.items()}
        self._keys = {**lower, **cased, **self._keys}

    def run(self, group: Sequence[Record]) -> dict[str, list[str]]:
        """What differs, by the name of the case."""
        self._reset(group)
        return {case["name"]: self._run(case) for case in group}

    def _reset(self, group: Sequence[Record]) -> None:
        """The table as it was before the group: `cold` had none, others had the assistants that exist."""
        azure = self._site.azure
        azure.run(azure.storage.delete(azure.account, "table", "ChatState"))
        key = {"x-functions-key": self._keys["HOSTKEY"]}
        self._answer({})
        if group[0]["name"].startswith("cold/"):
            self._site.send("GET", "/api/assistants/nobody?timestampUTC=2000-01-01T00:00:00Z", headers=key)
            return
        azure.run(azure.storage.create(azure.account, "table", "ChatState"))
        responses = [then for case in group for then in _responses(case)]
        bodies = " ".join(response["body"] for response in responses)
        for assistant in dict.fromkeys(["a1", *re.findall(r'"id":"([^"]*)","exists":true', bodies)]):
            answer = self._site.send(
                "PUT", f"/api/assistants/{quote(assistant, safe='')}", b"{}", headers=key
            )
            assert answer.status == 202, (assistant, answer)

    def _answer(self, case: Record) -> None:
        (self._folder / "invoked.jsonl").unlink(missing_ok=True)
        kind = "application/json" + ("; charset=utf-8" if case.get("worker") == "custom handler" else "")
        answer = {**case.get("worker_answers", {}), "stateType": kind}
        (self._folder / "answer.json").write_text(json.dumps(answer))

    def _invoked(self) -> list[Record]:
        file = self._folder / "invoked.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def _run(self, case: Record) -> list[str]:
        self._answer(case)
        request, then = case["request"], case["then"]
        self._model.script(*_replies(case))
        if isinstance(then, list):
            responses = self._send_together(request)
        elif then["status"] is None:
            responses = [self._leave(case)]
        else:
            responses = [self._send(case["name"], request)]
        lines: list[str] = []
        for left, right in zip(
            sorted(_responses(case), key=_status), sorted(responses, key=_status), strict=True
        ):
            continued = "100 Continue" in str(case.get("interim"))
            recorded = {**left, "continued": True} if continued else left
            lines += differences("then", _without_framing(recorded), _without_framing(self._masked(right)))
        lines += self._compare_calls(case)
        model = [_last_message(sent.body) for sent in self._model.requests]
        recorded_model: list[list[str]] = case.get("model", [])
        lines += differences("model", sorted(recorded_model), sorted(model))
        if "rows" in case:
            lines += differences("rows", case["rows"], self._rows(case["rows"]))
        return lines

    def _rows(self, recorded: Sequence[Record]) -> list[Record]:
        keys = dict.fromkeys(row["PartitionKey"] for row in recorded)
        rows = [row for key in keys for row in self._site.azure.rows(key)]
        dates = {"CreatedAt", "LastUpdatedAt"}
        return [
            {
                name: "<now>" if name in dates else value
                for name, value in row.items()
                if name not in ("TotalMessages", "TotalTokens")
            }
            for row in rows
        ]

    def _compare_calls(self, case: Record) -> list[str]:
        calls: list[Record] = self._masked(self._invoked())
        recorded: list[Record] = case["invoked"]
        names = [call["function"] for call in recorded], [call["function"] for call in calls]
        if names[0] != names[1]:
            return [f"invoked: {names[0]}, here {names[1]}"]
        lines: list[str] = []
        for left, right in zip(recorded, calls, strict=False):
            for name in ("request", "inputs"):
                if name in left:
                    values = (_as_recorded(side.get(name)) for side in (left, right))
                    lines += differences(f"{left['function']}.{name}", *values)
            if "request" in left and "metadata" in left:
                lines += differences("metadata", *_metadata(left))
        return lines

    def _masked(self, value: Any) -> Any:
        """The value with the names of the keys and of the address."""
        text = json.dumps(value).replace(f"https://{self._site.hosts.default}", "http://127.0.0.1:<port>")
        for name, key in self._keys.items():
            text = text.replace(key, name)
        return json.loads(text)

    # Requests

    def _keyed(self, text: str) -> str:
        names = sorted(self._keys, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, names)), lambda name: self._keys[name[0]], text)

    def _send_together(self, request: Record) -> list[Record]:
        """The second one asks the model first and is answered first, as in the recording."""

        def count(number: int) -> None:
            until(lambda: len(self._model.requests) == number, "posts to have reached the model")

        def second_is_written() -> None:
            until(lambda: len(self._site.azure.rows("two")) > 2, "the rows of the second post")

        early, late = self._model.replies
        early.before, late.before = partial(count, 2), second_is_written
        with ThreadPoolExecutor(2) as pool:
            sent: list[Future[Record]] = []
            for number, target in enumerate(reversed(request["target"]), start=1):
                sent.append(pool.submit(self._send, "", {**request, "target": target}))
                count(number)
            return [future.result() for future in sent]

    def _leave(self, case: Record) -> Record:
        """Leaves when the function runs or the model is asked, and waits for what the host then does."""
        with self._site.connect() as connection:

            def leave() -> None:
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1024):
                    pass  # the host has noticed when it closes its side

            head, body = self._message(case["name"], case["request"])
            for reply in self._model.replies:
                reply.before = leave
            connection.sendall(head + b"".join(body))
            if self._model.replies:
                with suppress(AssertionError):
                    until(lambda: self._rows(case["rows"]) == case["rows"], "rows")
            else:
                until(self._invoked, "a call")
        return {"status": None, "headers": [], "body": "<client left>"}

    def _send(self, name: str, request: Record) -> Record:
        head, body = self._message(name, request)
        received = b""
        with self._site.connect() as connection:
            connection.sendall(head)
            expects = b"100-continue" in head
            if expects:
                received = connection.recv(65536)
            if not expects or received.startswith(b"HTTP/1.1 100"):
                with suppress(OSError):  # a server that refuses a body closes the connection
                    for part in body:
                        connection.sendall(part)
            with suppress(OSError):
                while part := connection.recv(65536):
                    received += part
        return _parse(received, request["method"])

    def _message(self, name: str, request: Record) -> tuple[bytes, Iterable[bytes]]:
        method, version = request["method"], "1.0" if name == "route/http10" else "1.1"
        lines = [f"{method} {self._keyed(_whole(request['target']))} HTTP/{version}"]
        headers = [(key, self._keyed(_whole(value))) for key, value in request["headers"]]
        if name != "route/no-host":
            headers.insert(0, ("Host", self._site.hosts.default))
        if method in ("POST", "PUT") and "body" not in request and name != "http/no-length":
            headers.append(("Content-Length", "0"))
        lines += [f"{key}: {value}" for key, value in [*headers, ("Connection", "close")]]
        return "\r\n".join([*lines, "", ""]).encode(), _body(request)


def _responses(case: Record) -> list[Record]:
    then = case["then"]
    return cast("list[Record]", then if isinstance(then, list) else [then])


def _status(response: Record) -> str:
    return str(response["status"])


def _without_framing(response: Record) -> Record:
    headers = {name.lower(): value for name, value in response["headers"] if name.lower() not in _FRAMING}
    return {**response, "headers": headers}


def _replies(case: Record) -> Sequence[Reply]:
    """The answers that the model must have given."""
    name, asked = case["name"], len(case.get("model", ()))
    if name in _REPLIES or not asked:
        return _REPLIES.get(name, ())
    if failure := re.match(r"model/(\d{3})", name):
        # The waits are in the recordings of the extension; here they would only take time.
        failures = [Reply(int(failure[1]), {}, headers={"Retry-After": "0"})] * asked
        return [*failures[:-1], says("hi there")] if name.endswith("-once") else failures
    state: Record = json.loads(_responses(case)[-1]["body"].replace("<n>", "0") or "{}")
    replies = [
        says(
            message["content"],
            *(
                (call["id"], call["functionName"], call["functionArguments"])
                for call in json.loads(message["toolCalls"] or "[]")
            ),
        )
        for message in state.get("recentMessages", [])
    ]
    return [replace(reply) for reply in replies * (asked // max(len(replies), 1))]


def _last_message(body: Mapping[str, Any]) -> list[str]:
    message = body["messages"][-1]
    return [f"{message['role']}: {message['content']}"]


def _body(request: Record) -> Iterable[bytes]:
    body = request.get("body", "")
    if isinstance(body, dict):
        return [base64.b64decode(cast("Record", body)["base64"])]
    large = re.fullmatch(r"(\d+) MB.*", body)
    headers = dict(request["headers"])
    if "1 MB" in body and not large:
        return [json.dumps({"message": "x" * _MEGABYTE}, separators=(",", ":")).encode()]
    if not large:
        return [body.encode()]
    parts = [b"x" * _MEGABYTE] * int(large[1])
    if "Transfer-Encoding" not in headers:
        return parts
    return [*(b"%x\r\n%s\r\n" % (_MEGABYTE, part) for part in parts), b"0\r\n\r\n"]


def _whole(text: str) -> str:
    shortened = SHORTENED.fullmatch(text)
    if shortened is None:
        return text
    head, length, _, tail = shortened.groups()
    return head + tail[0] * (int(length) - len(head) - len(tail)) + tail


def _parse(received: bytes, method: str) -> Record:
    """`continued`: whether `100 Continue` came first; not there if it did not."""
    continued = received.startswith(b"HTTP/1.1 100")
    content = io.BytesIO(received.partition(b"\r\n\r\n")[2] if continued else received)

    class Socket:
        def makefile(self, *_: object) -> io.BytesIO:
            return content

    response = http.client.HTTPResponse(cast("socket.socket", Socket()), method=method)
    response.begin()
    body = response.read().decode("utf-8", "replace")
    return {
        "status": response.status,
        "headers": response.getheaders(),
        "body": body,
        **({"continued": True} if continued else {}),
    }


def _as_recorded(request: Any) -> Any:
    """A request without the headers of its connection; azure.functions shows every method in upper case."""
    if request is None or "headers" not in request:
        return request
    members: Record = request
    left_out = {"host", "connection", "transfer-encoding"}
    headers = {name: value for name, value in members["headers"].items() if name.lower() not in left_out}
    return {**members, "headers": headers, "method": members["method"].upper()}


def _metadata(call: Record) -> tuple[Record, Record]:
    """The binding data of a recorded call, and what local Azure makes of its request."""
    request = call["request"]
    body = request.get("body", {})
    content = body["text"].encode() if "text" in body else base64.b64decode(body.get("base64", ""))
    _, query = request_target.split(request["url"].partition("<port>")[2])
    names = re.findall(r"\{\*?(\w+)", FUNCTIONS[call["function"]][0]["route"])
    route = {**dict.fromkeys(names), **request["params"]}
    data = binding_data.of_request(content, request_target.query_pairs(query), request["headers"], route)
    left_out = ("headers", "sys", "$sys", "req")  # req is the trigger's own name
    local = {name: value for name, value in data.items() if name not in left_out}
    recorded: Record = {}
    for name, value in call["metadata"].items():
        if name not in left_out:
            recorded[name.lower()] = json.loads(value["json"]) if "json" in value else value["string"]
    return recorded, local
