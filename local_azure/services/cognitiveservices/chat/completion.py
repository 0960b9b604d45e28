"""The `chat.completion` object of Azure OpenAI, without what no client here reads, such as filter results."""

import json
from collections.abc import Mapping
from hashlib import sha512
from typing import Any

from local_azure.core import clock
from local_azure.services.cognitiveservices.chat import counting
from local_azure.services.cognitiveservices.chat.replies import Call, Reply


def truncate(answer: Reply, max_tokens: int | None) -> Reply:
    """The stand-in's reply, a text or a call, as a model breaks it off at `max_tokens`."""
    if max_tokens is None:
        return answer
    if not answer.calls:
        content = counting.truncate(answer.content or "", max_tokens)
        return answer if content is None else Reply(content, finish_reason="length")
    (call,) = answer.calls
    remaining = max(0, max_tokens - counting.tokens_of(call.name))
    arguments = counting.truncate(call.arguments, remaining)
    return answer if arguments is None else Reply(None, (Call(call.name, arguments, call.id),), "length")


def completion(answer: Reply, body: Mapping[str, Any], model: str, prompt_tokens: int) -> dict[str, Any]:
    """`model` is name and version. Ids are derived from the request."""
    seed = json.dumps([model, body], sort_keys=True)
    calls = [
        {
            "function": {"arguments": call.arguments, "name": call.name},
            "id": call.id or f"call_{_digest(f'{seed}{number}')[:24]}",
            "type": "function",
        }
        for number, call in enumerate(answer.calls)
    ]
    used = counting.tokens_of(answer.content or "") + counting.call_tokens(calls)
    choice: dict[str, Any] = {
        "finish_reason": answer.finish_reason or ("tool_calls" if calls else "stop"),
        "index": 0,
        "message": {"content": answer.content, "role": "assistant"},
    }
    if calls:
        choice["message"]["tool_calls"] = calls
    return {
        "choices": [choice],
        "created": int(clock.utc().timestamp()),
        "id": f"chatcmpl-{_digest(seed)[:29]}",
        "model": model,
        "object": "chat.completion",
        "usage": {
            "completion_tokens": used,
            "prompt_tokens": prompt_tokens,
            "total_tokens": prompt_tokens + used,
        },
    }


def _digest(text: str) -> str:
    return sha512(text.encode()).hexdigest()
