from typing import Any

import pytest

from local_azure.services.cognitiveservices.chat.errors import ErrorResponse
from local_azure.services.cognitiveservices.chat.replies import Call, Reply
from local_azure.services.cognitiveservices.chat.scripts import ScriptError, Step, parse


def test_each_kind_of_step() -> None:
    steps = parse(
        [
            {"text": "Hello."},
            {"toolCalls": [{"name": "Add", "arguments": {"task": "ü"}, "id": "c1"}]},
            {"toolCalls": [{"name": "Add", "arguments": '{"task": "mil'}], "finishReason": "length"},
            {"error": {"status": 500, "message": "no"}, "headers": {"X-A": "b"}, "delaySeconds": 0.5},
            {"error": {"status": 400}},
        ]
    )
    assert steps == [
        Step(Reply("Hello.")),
        Step(Reply(None, (Call("Add", '{"task": "ü"}', "c1"),))),
        Step(Reply(None, (Call("Add", '{"task": "mil'),), "length")),
        Step(ErrorResponse(500, {"code": "500", "message": "no"}), 0.5, {"X-A": "b"}),
        Step(ErrorResponse(400, {"code": "400", "message": "An error of a script."})),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"text": "x"}, "a JSON list"),
        (["x"], "step 1: 'x' is not of type 'object'"),
        ([{"finishReason": "stop"}], "step 1 has either `error`"),
        ([{"text": "x", "error": {"status": 500}}], "step 1 has either `error`"),
        ([{"text": 5}], "step 1: text: 5 is not of type 'string'"),
        ([{"txt": "x", "text": "y"}], r"step 1: .*'txt' was unexpected"),
        ([{"error": {"status": 200}}], "step 1: error: status: 200"),
        ([{"text": "x", "delaySeconds": -1}], "delaySeconds: -1"),
        ([{"text": "x", "delaySeconds": 301}], "delaySeconds: 301"),
        ([{"text": "x", "headers": {"a": "b\r\nc: d"}}], "headers: a"),
        ([{"text": "x", "headers": {"Content-Length": "5"}}], "headers: 'Content-Length'"),
        ([{"text": "x", "headers": {"a b": "c"}}], "headers: 'a b'"),
        ([{"text": "x", "headers": "a"}], "headers: 'a'"),
        ([{"toolCalls": [{"name": "x", "arguments": 5}]}], "toolCalls: 0: arguments: 5"),
        ([{"toolCalls": [{"arguments": ""}]}], "toolCalls: 0: 'name' is a required property"),
        ([{"text": "x", "finishReason": "x"}], "finishReason: 'x'"),
        ([{"text": 5}, {"error": {"status": 7}}], r"step 1: text(.|\n)*step 2: error: status: 7"),
    ],
)
def test_a_script_with_a_problem_is_rejected(content: Any, problem: str) -> None:
    with pytest.raises(ScriptError, match=problem):
        parse(content)
