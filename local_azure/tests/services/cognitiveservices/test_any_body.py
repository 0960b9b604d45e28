"""Any request gets a completion or the service's 400, never a 500."""

import json
from typing import Any

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from local_azure.services.cognitiveservices.chat.completion import completion, truncate
from local_azure.services.cognitiveservices.chat.counting import prompt_tokens
from local_azure.services.cognitiveservices.chat.errors import ErrorResponse, RequestError
from local_azure.services.cognitiveservices.chat.replies import reply
from local_azure.services.cognitiveservices.chat.request import check, parse
from local_azure.services.cognitiveservices.models import MODELS, Model

Strategy = st.SearchStrategy[Any]


def members(always: dict[str, Strategy], /, **optional: Strategy) -> Strategy:
    return st.fixed_dictionaries(always, optional=optional)


TEXT = st.text(max_size=20)
ANYTHING: Strategy = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PROPERTY = members({}, type=ANYTHING, enum=ANYTHING, description=ANYTHING)
SCHEMA = members(
    {"type": st.just("object")},
    properties=st.dictionaries(TEXT, ANYTHING | PROPERTY, max_size=3),
    required=st.lists(TEXT, max_size=2) | ANYTHING,
)
FUNCTION = {"type": st.just("function")}
TOOL_NAME = {"name": st.sampled_from(["AddTodo", "get_time", "-"])}
PROMPT = st.sampled_from(["add a todo: x", "get time: {}", "todo 5: 7"]) | TEXT
CALL = members(
    {
        "id": st.sampled_from(["a", "b"]),
        **FUNCTION,
        "function": members({"name": TEXT, "arguments": TEXT}) | ANYTHING,
    }
)
MESSAGE = members(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "developer"])},
    content=PROMPT | ANYTHING,
    name=TEXT | ANYTHING,
    tool_calls=st.lists(CALL, max_size=2) | ANYTHING,
    tool_call_id=st.sampled_from(["a", "b"]) | ANYTHING,
)
TOOL = members(
    {
        **FUNCTION,
        "function": members(TOOL_NAME, description=TEXT | ANYTHING, parameters=SCHEMA | ANYTHING) | ANYTHING,
    }
)
BODY = members(
    {"messages": st.lists(MESSAGE, min_size=1, max_size=4) | ANYTHING},
    tools=st.lists(TOOL, max_size=3) | ANYTHING,
    max_completion_tokens=st.integers(0, 10) | ANYTHING,
    temperature=st.just(1) | ANYTHING,
    stream=ANYTHING,
)
GOOD_MESSAGE = members({"role": st.sampled_from(["user", "system", "developer"]), "content": PROMPT})
GOOD_TOOL = members({**FUNCTION, "function": members({**TOOL_NAME, "parameters": SCHEMA})})
NEARLY_GOOD_BODY = members(
    {
        "messages": st.lists(GOOD_MESSAGE, min_size=1, max_size=3),
        "tools": st.lists(GOOD_TOOL, min_size=1, max_size=3),
    },
    max_completion_tokens=st.integers(1, 10),
    metadata=ANYTHING,
)


def odd_schema(**schema: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"x": schema}, "required": ["x", "y"]}
    return {
        "messages": [{"role": "user", "content": "add todo: 1"}],
        "tools": [{"type": "function", "function": {"name": "AddTodo", "parameters": parameters}}],
    }


@settings(max_examples=200)
@example(body=odd_schema(enum=5), model=MODELS[0])
@example(body=odd_schema(type=5), model=MODELS[0])
@example(body=odd_schema(type=[[]]), model=MODELS[0])
@example(body=odd_schema(type="number", description=5), model=MODELS[0])
@given(body=BODY | NEARLY_GOOD_BODY, model=st.sampled_from(MODELS))
def test_any_body_is_answered_or_rejected(body: dict[str, Any], model: Model) -> None:
    rejected: ErrorResponse | None = None
    try:
        content = parse(json.dumps(body).encode())
        max_tokens = check(content, model.chat)
    except RequestError as error:
        rejected = error.response
    else:
        prompt = prompt_tokens(content["messages"], content.get("tools") or ())
        answer = truncate(reply(content, model.name), max_tokens)
        whole = completion(answer, content, model.name, prompt)
        message = json.loads(json.dumps(whole))["choices"][0]["message"]
        assert message["content"] is not None or message["tool_calls"]
    event("rejected" if rejected else "answered")
    assert rejected is None or (rejected.status == 400 and rejected.error["message"])
