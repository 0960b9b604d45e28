"""Whatever a client sends is answered with a completion or the service's 400, never with a 500."""

import json
from typing import Any

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from local_azure.services.cognitiveservices.chat.completion import completion, cut_to_limit
from local_azure.services.cognitiveservices.chat.counting import o200k_base, prompt_tokens
from local_azure.services.cognitiveservices.chat.errors import Refusal, RefusedError
from local_azure.services.cognitiveservices.chat.replies import reply
from local_azure.services.cognitiveservices.chat.request import check, parse
from local_azure.services.cognitiveservices.models import MODELS, Model

TEXT = st.text(max_size=20)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SCHEMAS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"type": st.just("object")},
    optional={
        "properties": st.dictionaries(
            TEXT,
            ANYTHING
            | st.fixed_dictionaries(
                {}, optional={"type": ANYTHING, "enum": ANYTHING, "description": ANYTHING}
            ),
            max_size=3,
        ),
        "required": st.lists(TEXT, max_size=2) | ANYTHING,
    },
)
FUNCTIONS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"name": st.sampled_from(["AddTodo", "get_time", "-"])},
    optional={"description": TEXT | ANYTHING, "parameters": SCHEMAS | ANYTHING},
)
CALLS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b"]),
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT}) | ANYTHING,
    }
)
MESSAGES: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "developer"])},
    optional={
        "content": st.sampled_from(["add a todo: x", "get time: {}", "todo 5"]) | TEXT | ANYTHING,
        "name": TEXT | ANYTHING,
        "tool_calls": st.lists(CALLS, max_size=2) | ANYTHING,
        "tool_call_id": st.sampled_from(["a", "b"]) | ANYTHING,
    },
)
BODIES: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGES, min_size=1, max_size=4) | ANYTHING},
    optional={
        "tools": st.lists(
            st.fixed_dictionaries({"type": st.just("function"), "function": FUNCTIONS | ANYTHING}), max_size=3
        )
        | ANYTHING,
        "tool_choice": st.sampled_from(["auto", "required", "none"])
        | st.just({"type": "function", "function": {"name": "AddTodo"}})
        | ANYTHING,
        "max_completion_tokens": st.integers(0, 10) | ANYTHING,
        "temperature": st.just(1) | ANYTHING,
        "reasoning_effort": st.sampled_from(["none", "low"]) | ANYTHING,
        "n": st.integers(0, 2) | ANYTHING,
        "response_format": ANYTHING,
        "stream": ANYTHING,
    },
)


USERS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "system", "developer"]),
        "content": st.sampled_from(["add a todo: x", "get time: {}", "todo 5: 7"]) | TEXT,
    }
)
NEARLY_GOOD: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {
        "messages": st.lists(USERS, min_size=1, max_size=3),
        "tools": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.just("function"),
                    "function": st.fixed_dictionaries(
                        {"name": st.sampled_from(["AddTodo", "get_time", "-"]), "parameters": SCHEMAS}
                    ),
                }
            ),
            min_size=1,
            max_size=3,
        ),
    },
    optional={
        "tool_choice": st.just("required"),
        "max_completion_tokens": st.integers(1, 10),
        "metadata": ANYTHING,
    },
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
@given(body=BODIES | NEARLY_GOOD, model=st.sampled_from(MODELS))
def test_any_body_is_answered_or_refused(body: dict[str, Any], model: Model) -> None:
    encoding = o200k_base()
    refused: Refusal | None = None
    try:
        sent = parse(json.dumps(body).encode())
        asked = check(sent, model.chat)
    except RefusedError as error:
        refused = error.refusal
    else:
        counted = prompt_tokens(asked.messages, asked.tools, encoding)
        answer = cut_to_limit(reply(sent, model.name), asked, encoding)
        whole = completion(
            answer, asked, model=model.name, prompt_tokens=counted, created=0, encoding=encoding
        )
        message = json.loads(json.dumps(whole))["choices"][0]["message"]
        assert message["content"] is not None or message["tool_calls"]
    event("refused" if refused else "answered")
    assert refused is None or (refused.status == 400 and refused.error["message"])
