"""Chat models that a new deployment may use, as data.

Source: "Model retirement schedule" on Microsoft Learn, updated 2026-09-02. Add a row
for a newer model. A name or version that is not listed is refused at preview, since Azure refuses it only
minutes into `pulumi up`.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class ChatModel:
    """One version of a model. `deprecated`: Azure refuses new deployments of it.

    `prompt_tokens`: the maximum prompt (Docs: Foundry models sold by Azure; from gpt-5.2 on inferred).
    """

    name: str
    version: str
    retires: date
    is_reasoning: bool
    prompt_tokens: int = 272_000
    deprecated: bool = False


# `is_reasoning`: the model refuses `max_tokens`, which the extension sends by default
# (azure-functions-openai-extension #151). Verified for gpt-5, gpt-5-mini and gpt-5.4-mini, else inferred.
CHAT_MODELS = (
    ChatModel(
        "gpt-4o-mini",
        "2024-07-18",
        date(2027, 4, 14),
        is_reasoning=False,
        prompt_tokens=128_000,
        deprecated=True,
    ),
    ChatModel("gpt-4o", "2024-11-20", date(2027, 4, 14), is_reasoning=False, prompt_tokens=128_000),
    ChatModel("gpt-4.1", "2025-04-14", date(2027, 4, 14), is_reasoning=False, prompt_tokens=1_047_576),
    ChatModel("gpt-4.1-mini", "2025-04-14", date(2027, 4, 14), is_reasoning=False, prompt_tokens=1_047_576),
    ChatModel("gpt-5", "2025-08-07", date(2027, 2, 9), is_reasoning=True),
    ChatModel("gpt-5-mini", "2025-08-07", date(2027, 2, 9), is_reasoning=True),
    ChatModel("gpt-5-nano", "2025-08-07", date(2027, 2, 9), is_reasoning=True),
    ChatModel("gpt-5.1", "2025-11-13", date(2027, 5, 15), is_reasoning=True),
    ChatModel("gpt-5.2", "2025-12-11", date(2027, 6, 8), is_reasoning=True),
    ChatModel("gpt-5.4", "2026-03-05", date(2027, 9, 2), is_reasoning=True),
    ChatModel("gpt-5.4-mini", "2026-03-17", date(2027, 9, 21), is_reasoning=True),
    ChatModel("gpt-5.4-nano", "2026-03-17", date(2027, 9, 21), is_reasoning=True),
    ChatModel("gpt-5.5", "2026-04-24", date(2027, 10, 26), is_reasoning=True),
    ChatModel("gpt-5.6-luna", "2026-07-09", date(2028, 1, 11), is_reasoning=True),
    ChatModel("gpt-5.6-sol", "2026-07-09", date(2028, 1, 11), is_reasoning=True),
    ChatModel("gpt-5.6-terra", "2026-07-09", date(2028, 1, 11), is_reasoning=True),
)


def prompt_tokens(name: str, version: str) -> int:
    """The maximum length of a prompt, for a model that the settings accept."""
    return next(
        model.prompt_tokens for model in CHAT_MODELS if (model.name, model.version) == (name, version)
    )
