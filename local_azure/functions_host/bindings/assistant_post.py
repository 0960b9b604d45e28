"""The `assistantPost` input binding: user message, model, skills, and one transaction with all new rows."""

import logging
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_azure.functions_host.bindings import conversation, dotnet, rows
from local_azure.functions_host.bindings.assistant_create import DEFAULT_COLLECTION
from local_azure.functions_host.bindings.chat_client import Completion
from local_azure.functions_host.bindings.conversation import Conversation, Table
from local_azure.functions_host.bindings.dotnet import Raw
from local_azure.functions_host.bindings.errors import BindingError
from local_azure.functions_host.bindings.rows import Message, ToolCall
from local_azure.functions_host.skills import Skills

log = logging.getLogger("Microsoft.Azure.WebJobs.Extensions.OpenAI.Assistants.DefaultAssistantService")

BINDING_TYPE = "assistantpost"
CALL_LIMIT = 50
"""After so many new rows in one post the extension ignores the model's tool calls."""

DEFAULT_CHAT_MODEL = "gpt-3.5-turbo"
SUCCESS = "The function call succeeded. Let the user know that you completed the action."
FAILURE = "The function call failed. Let the user know and ask if they'd like you to try again"

_FLOAT = re.compile(
    r"\s*[+-]?(?:(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?|infinity|nan)\s*", re.ASCII | re.IGNORECASE
)
_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)


@dataclass(frozen=True)
class PostRequest:
    """The properties of AssistantPostAttribute. The model request omits a number that does not parse."""

    id: str | None = None
    user_message: str | None = None
    ai_connection_name: str = ""
    chat_model: str = DEFAULT_CHAT_MODEL
    chat_storage_connection_setting: str | None = None
    collection_name: str | None = DEFAULT_COLLECTION
    temperature: str | None = "0.5"
    top_p: str | None = None
    max_tokens: str | None = "100"
    is_reasoning_model: bool = False


Complete = Callable[[dict[str, Any]], Awaitable[Completion]]
"""Sends one chat completion request; the client adds the deployment's name."""


def validate(request: PostRequest) -> None:
    if not request.id:
        raise BindingError("The assistant ID must be specified. (Parameter 'attribute')")
    if not request.user_message:
        raise BindingError("The assistant must have a user message (Parameter 'attribute')")


def model_options(request: PostRequest) -> dict[str, Any]:
    """`temperature`, `top_p` and `max_tokens`; a reasoning model gets `top_p` only. Raises BindingError."""
    temperature = None if request.is_reasoning_model else request.temperature
    options: dict[str, Any] = {}
    for name, value in (("top_p", request.top_p), ("temperature", temperature)):
        # .NET skips NUL at the end of a number.
        text = (value or "").rstrip("\0")
        if _FLOAT.fullmatch(text):
            options[name] = _single(name, text)
    limit = (request.max_tokens or "").rstrip("\0")
    if not request.is_reasoning_model and _INTEGER.fullmatch(limit) and _is_int32(int(limit)):
        # Not max_completion_tokens: the extension's version of the SDK sends the old name.
        options["max_tokens"] = int(limit)
    return options


def _single(name: str, text: str) -> Raw:
    number = float(text.replace(",", ""))
    try:
        if math.isfinite(number):
            return Raw(dotnet.single(number))
    except OverflowError:
        pass
    raise BindingError(f"{name} is {text!r}: a number that is not finite cannot be written as JSON.")


def _is_int32(number: int) -> bool:
    return -(2**31) <= number < 2**31


def chat_message(message: Message) -> dict[str, Any]:
    """Raises BindingError for a message that the classes of the SDK refuse."""
    role = (message.role or "").lower()
    if role == "assistant" and message.tool_calls:
        # The extension sends either the tool calls or the content.
        return {"role": role, "tool_calls": [_chat_call(call) for call in message.tool_calls]}
    if role not in ("user", "system", "assistant", "tool"):
        raise BindingError(f"Unknown chat role '{message.role}'")
    if message.content is None or (role == "tool" and not message.name):
        raise BindingError(
            f"Value cannot be null: a message with the role {role} lacks its content or its name."
        )
    identity = {"tool_call_id": message.name} if role == "tool" else {}
    return {"role": role, "content": message.content, **identity}


def _chat_call(call: ToolCall | None) -> dict[str, Any] | None:
    if call is None:
        return None
    function: dict[str, Any] | None = None
    if call.more_of_function is not None:
        if call.arguments is None:
            raise BindingError(
                f"The call of {call.function_name!r} has no arguments: it cannot be sent again."
            )
        function = {"name": call.function_name, "arguments": call.arguments, **call.more_of_function}
    return {"id": call.id, "type": "function", "function": function, **call.more}


async def post_message(table: Table, request: PostRequest, complete: Complete, skills: Skills) -> str:
    """AssistantState with the Assistant messages of this post. A failure writes no row."""
    started = dotnet.now()
    assistant_id = request.id or ""
    loaded = await conversation.load(table, assistant_id)
    if loaded is None or not loaded.state.exists:
        log.warning("[%s] Ignoring request sent to nonexistent assistant.", assistant_id)
        return conversation.to_json(assistant_id, None, ())
    loaded.add(Message(dotnet.well_formed(request.user_message or ""), "User", dotnet.now()))
    await _converse(assistant_id, loaded, model_options(request), complete, skills)
    state = loaded.state
    state.total_messages = len(loaded.messages)
    state.last_updated_at = dotnet.now()
    # A PATCH without If-Match inserts or merges: the state row is written even if it was deleted.
    operations: list[tuple[Any, ...]] = [
        *(("create", rows.message_row(assistant_id, number, message)) for number, message in loaded.added),
        ("upsert", rows.state_row(state), {"mode": "merge"}),
    ]
    await table.submit_transaction(operations)
    recent = [
        message for message in loaded.messages if message.created_at > started and message.role == "Assistant"
    ]
    return conversation.to_json(assistant_id, state, recent)


async def _converse(
    assistant_id: str,
    loaded: Conversation,
    settings: Mapping[str, Any],
    complete: Complete,
    skills: Skills,
) -> None:
    tools = skills.tools()
    while True:
        body = {"messages": [chat_message(message) for message in loaded.messages], **settings}
        completion = await complete({**body, "tools": tools} if tools else body)
        if not dotnet.is_blank(completion.content) or completion.tool_calls:
            log.info(
                "[%s] Got LLM response consisting of %d tokens: [%s] && %d ToolCalls",
                assistant_id,
                completion.output_tokens,
                completion.content,
                len(completion.tool_calls),
            )
            loaded.add(
                Message(completion.content, "Assistant", dotnet.now(), tool_calls=completion.tool_calls)
            )
        loaded.state.total_tokens = completion.total_tokens
        calls = [call for call in completion.tool_calls if call is not None]
        if not calls:
            return
        if len(loaded.added) > CALL_LIMIT:
            text = "[%s] Ignoring %d function call(s) in response due to exceeding the limit of %d."
            log.warning(text, assistant_id, len(calls), CALL_LIMIT)
            return
        for call in calls:
            output = dotnet.well_formed(await _run_skill(assistant_id, call, skills))
            content = f"Function Name: '{call.function_name or ''}' and Function Result: '{output}'"
            loaded.add(Message(content, "Tool", dotnet.now(), name=call.id))


async def _run_skill(assistant_id: str, call: ToolCall, skills: Skills) -> str:
    name = call.function_name
    log.info("[%s] Calling function '%s' with arguments: %s", assistant_id, name, call.arguments)
    try:
        output = await skills.invoke(name, call.arguments)
    except Exception as error:  # noqa: BLE001 # the extension reports every failure to the model
        log.error("[%s] Function '%s' failed with an unhandled exception: %s", assistant_id, name, error)
        return FAILURE
    return SUCCESS if output is None or dotnet.is_blank(output) else output
