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
        ]
    )
    assert steps == [
        Step(Reply("Hello.")),
        Step(Reply(None, (Call("Add", '{"task": "ü"}', "c1"),))),
        Step(Reply(None, (Call("Add", '{"task": "mil'),), "length")),
        Step(ErrorResponse(500, {"code": "500", "message": "no"}), 0.5, {"X-A": "b"}),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"text": "x"}, "a JSON list"),
        (["x"], "step 1 is not an object"),
        ([{"finishReason": "stop"}], "step 1 has either `error`"),
        ([{"text": "x", "error": {"status": 500}}], "step 1 has either `error`"),
        ([{"text": 5}], "text is not a string"),
        ([{"txt": "x", "text": "y"}], "step 1 has 'txt'"),
        ([{"error": {"status": 200}}], "error.status is 200"),
        ([{"text": "x", "delaySeconds": -1}], "delaySeconds is -1"),
        ([{"text": "x", "headers": {"a": "b\r\nc: d"}}], "headers"),
        ([{"text": "x", "headers": {"Content-Length": "5"}}], "headers"),
        ([{"text": "x", "headers": {"a b": "c"}}], "headers"),
        ([{"text": "x", "headers": "a"}], "headers"),
        ([{"toolCalls": [{"name": "x", "arguments": 5}]}], "a tool call has"),
        ([{"toolCalls": "x"}], "toolCalls is not a list"),
        ([{"toolCalls": [{"name": "x", "id": 5}]}], "a tool call's id is not a string"),
        ([{"text": "x", "finishReason": "x"}], "finishReason is 'x'"),
        ([{"text": "x"}] * 1001, "at most 1000 steps"),
        ([{"text": 5}, {"error": {"status": 7}}], r"step 1: text(.|\n)*step 2: error.status is 7"),
    ],
)
def test_a_script_with_a_problem_is_rejected(content: Any, problem: str) -> None:
    with pytest.raises(ScriptError, match=problem):
        parse(content)
