"""The `chat.completion` object as Azure OpenAI sends it, content filter results included."""

import json
import string
from collections.abc import Mapping
from hashlib import sha512
from typing import Any

from local_azure.core import clock
from local_azure.services.cognitiveservices.chat import counting
from local_azure.services.cognitiveservices.chat.replies import Call, Reply

_ID_CHARACTERS = string.ascii_letters + string.digits
_SAFE = {"filtered": False, "severity": "safe"}
_NOT_DETECTED = {"filtered": False, "detected": False}
_HARMS = dict.fromkeys(("hate", "self_harm", "sexual", "violence"), _SAFE)
_PROMPT_FILTER = {**_HARMS, "jailbreak": _NOT_DETECTED}
_ANSWER_FILTER = {
    **_HARMS,
    "protected_material_code": _NOT_DETECTED,
    "protected_material_text": _NOT_DETECTED,
}


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
            "id": call.id or f"call_{_id(f'{seed}{number}', 24)}",
            "type": "function",
        }
        for number, call in enumerate(answer.calls)
    ]
    used = counting.tokens_of(answer.content or "") + counting.call_tokens(calls)
    choice: dict[str, Any] = {
        "content_filter_results": _ANSWER_FILTER if answer.content else {},
        "finish_reason": answer.finish_reason or ("tool_calls" if calls else "stop"),
        "index": 0,
        "logprobs": None,
        "message": {
            "annotations": [],
            "content": answer.content,
            "refusal": None,
            "role": "assistant",
            **({"tool_calls": calls} if calls else {}),
        },
    }
    return {
        "choices": [choice],
        "created": int(clock.utc().timestamp()),
        "id": f"chatcmpl-{_id(seed, 29)}",
        "model": model,
        "object": "chat.completion",
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _PROMPT_FILTER}],
        "system_fingerprint": f"fp_{sha512(model.encode()).hexdigest()[:10]}",
        "usage": {
            "completion_tokens": used,
            "completion_tokens_details": {"audio_tokens": 0, "reasoning_tokens": 0},
            "prompt_tokens": prompt_tokens,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            "total_tokens": prompt_tokens + used,
        },
    }


def _id(seed: str, length: int) -> str:
    """Letters and digits as in the service's ids, at most 64."""
    digest = sha512(seed.encode()).digest()
    return "".join(_ID_CHARACTERS[byte % len(_ID_CHARACTERS)] for byte in digest[:length])
