"""AssistantState: what `assistantQuery` and `assistantPost` hand to the worker."""

from collections.abc import Sequence

from local_azure.functions_host.bindings import dotnet, rows
from local_azure.functions_host.bindings.rows import Message, State


def assistant_state(assistant_id: str | None, state: State | None, recent: Sequence[Message]) -> str:
    """The JSON of Newtonsoft.Json; `exists` is false without a state."""
    found = state or State("", False, dotnet.NEVER, dotnet.NEVER, 0, 0)
    return dotnet.newtonsoft(
        {
            "id": assistant_id,
            "exists": state is not None,
            "createdAt": dotnet.newtonsoft_date(found.created_at),
            "lastUpdatedAt": dotnet.newtonsoft_date(found.last_updated_at),
            "totalMessages": found.total_messages,
            "totalTokens": found.total_tokens,
            "recentMessages": [
                {
                    "content": message.content,
                    "role": message.role,
                    "toolCalls": rows.tool_calls_text(message.tool_calls),
                }
                for message in recent
            ],
        }
    )
