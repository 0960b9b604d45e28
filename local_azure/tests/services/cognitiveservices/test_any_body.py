"""Any request gets a completion or the service's 400, never a 500."""

import json
from typing import Any

from hypothesis import event, given, settings
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
FUNCTION = {"type": st.just("function")}
PROMPT = st.sampled_from(["add a todo: x", "get time: {}", "todo 5: 7"]) | TEXT
SCHEMA = members(
    {"type": st.just("object")},
    properties=st.dictionaries(TEXT, ANYTHING, max_size=3),
    required=st.lists(TEXT, max_size=2) | ANYTHING,
)
TOOL = members(
    {
        **FUNCTION,
        "function": members(
            {"name": st.sampled_from(["AddTodo", "get_time", "-"])},
            description=TEXT,
            parameters=SCHEMA,
        ),
    }
)
CALL = members(
    {"id": TEXT, **FUNCTION, "function": members({"name": TEXT, "arguments": TEXT}) | ANYTHING},
)
MESSAGE = members(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "developer"])},
    content=PROMPT | ANYTHING,
    name=ANYTHING,
    tool_calls=st.lists(CALL, max_size=2) | ANYTHING,
    tool_call_id=ANYTHING,
)
BODY = members(
    {"messages": st.lists(MESSAGE, min_size=1, max_size=4) | ANYTHING},
    tools=st.lists(TOOL, min_size=1, max_size=3) | ANYTHING,
    max_completion_tokens=st.integers(0, 10) | ANYTHING,
    temperature=st.just(1) | ANYTHING,
    metadata=ANYTHING,
)
NEARLY_GOOD_BODY = members(
    {
        "messages": st.lists(members({"role": st.just("user"), "content": PROMPT}), min_size=1, max_size=2),
        "tools": st.lists(TOOL, min_size=1, max_size=2),
    }
)


@settings(max_examples=200)
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
