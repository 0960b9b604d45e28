"""The create function of the documentation page, in its six languages.

Sources: the page "Azure OpenAI assistant create output binding for Azure Functions", and for what it leaves
out samples/assistant of Azure/azure-functions-openai-extension (whose samples all have the level `function`,
and whose C# answers 201; the page says otherwise).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

ASSUME = "Don't make assumptions about what values to plug into functions."
ASK = "Ask for clarification if a user request is ambiguous."
TWO_LINES = f"{ASSUME}\n{ASK}"
# A literal whose lines are indented as the code around it, and whose quotes stand on lines of their own.
INDENTED = f"\n            {ASSUME}\n            {ASK}\n            "
# PowerShell writes a line break as a backtick and n: a backslash is a character like any other.
ONE_LINE = f"{ASSUME}\\n{ASK}"


@dataclass(frozen=True)
class Variant:
    """What one language's code puts on the wire, and the stack settings that make this app do the same."""

    auth_level: str = "anonymous"
    status: int = 202
    media_type: str = "application/json"
    instructions: str = INDENTED
    binding: str = ""
    """Its local name, which nobody but the function's own code sees; "" where the language makes one up."""
    data_type: str = ""
    """What the binding is told about the payload; the extension takes it without as well."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


ANONYMOUS = {"httpAuthLevel": "anonymous"}
VARIANTS = {
    "C#": Variant(
        # A raw literal: neither the breaks at its quotes nor the indentation of the last are part of it.
        instructions=TWO_LINES,
        settings=ANONYMOUS,
    ),
    "Java": Variant(
        # Of the sample: HttpStatus.CREATED. No setting changes the status: the other five say 202.
        status=201,
        instructions=TWO_LINES,
        binding="AssistantCreate",
        settings=ANONYMOUS,
    ),
    "JavaScript": Variant(settings={**ANONYMOUS, "defaultInstructions": INDENTED}),
    "TypeScript": Variant(settings={**ANONYMOUS, "defaultInstructions": INDENTED}),
    "PowerShell": Variant(
        auth_level="function",
        instructions=ONE_LINE,
        binding="Requests",
        data_type="string",
        settings={"defaultInstructions": ONE_LINE},
    ),
    "Python": Variant(
        # The app's default, which is what a FunctionApp() without a level has.
        auth_level="function",
        binding="requests",
        settings={"defaultInstructions": INDENTED},
    ),
}
