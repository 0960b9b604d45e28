"""AssistantState: the value of the `assistantQuery` and `assistantPost` bindings."""

from collections.abc import Sequence

from local_azure.functions_host.bindings import dotnet, rows
from local_azure.functions_host.bindings.rows import Message, State


def assistant_state(assistant_id: str | None, state: State | None, recent: Sequence[Message]) -> str:
    """JSON as Newtonsoft.Json writes it; without a state row `exists` is false."""
    values = state or State("", False, dotnet.NEVER, dotnet.NEVER, 0, 0)
    # Without a state row the dates are `default(DateTime)`, which has no kind, and so no `Z`.
    created_at, last_updated_at = (
        dotnet.newtonsoft_date(moment).removesuffix("" if state else "Z")
        for moment in (values.created_at, values.last_updated_at)
    )
    return dotnet.newtonsoft(
        {
            "id": assistant_id,
            "exists": state is not None,
            "createdAt": created_at,
            "lastUpdatedAt": last_updated_at,
            "totalMessages": values.total_messages,
            "totalTokens": values.total_tokens,
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
