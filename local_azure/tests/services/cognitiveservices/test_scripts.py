from typing import Any

import pytest

from local_azure.services.cognitiveservices.chat.errors import Refusal
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
        Step(Refusal(500, {"code": "500", "message": "no"}), 0.5, {"X-A": "b"}),
    ]


NOTHING: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"text": "x"}, "a JSON list"),
        (["x"], "step 1 is no object"),
        ([NOTHING], "step 1 has either `error`"),
        ([{"text": "x", "error": {"status": 500}}], "step 1 has either `error`"),
        ([{"text": 5}], "text is no string"),
        ([{"txt": "x", "text": "y"}], "step 1 has 'txt'"),
        ([{"error": {"status": 200}}], "error.status is 200"),
        ([{"text": "x", "delaySeconds": -1}], "delaySeconds is -1"),
        ([{"text": "x", "headers": {"a": "b\r\nc: d"}}], "headers"),
        ([{"text": "x", "headers": {"Content-Length": "5"}}], "headers"),
        ([{"text": "x", "headers": {"a b": "c"}}], "headers"),
        ([{"text": "x", "headers": "a"}], "headers"),
        ([{"toolCalls": [{"name": "x", "arguments": 5}]}], "a tool call has"),
        ([{"toolCalls": "x"}], "toolCalls is no list"),
        ([{"text": "x"}] * 1001, "at most 1000 steps"),
    ],
)
def test_a_wrong_script_is_refused_whole(content: Any, problem: str) -> None:
    with pytest.raises(ScriptError, match=problem):
        parse(content)


def test_several_problems_come_in_one_message() -> None:
    with pytest.raises(ScriptError) as caught:
        parse([{"text": 5}, {"error": {"status": 7}}])
    assert "step 1" in str(caught.value)
    assert "step 2" in str(caught.value)
