"""The app settings. No other module reads the environment."""

import functools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import azure.functions as func

from assistants.rules import text_problems

DEFAULT_INSTRUCTIONS = (
    "Don't make assumptions about what values to plug into functions.\n"
    "Ask for clarification if a user request is ambiguous."
)
STORAGE_CONNECTION = "AzureWebJobsStorage"
MODEL_CONNECTION = "AzureOpenAI"
CHAT_STATE_TABLE = "ChatState"

_AUTH_LEVELS = {"function": func.AuthLevel.FUNCTION, "anonymous": func.AuthLevel.ANONYMOUS}
_SWITCH = {"true": True, "false": False}
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
# A longer value may be a secret in the wrong setting, and the health endpoint needs no key.
_MAX_DISPLAYED_CHARACTERS = 20


class SettingsError(ValueError):
    """App settings are wrong. `problems` has a sentence for each, with its name, value and rule."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class ModelSettings:
    """Sent by the post binding. Reasoning models reject `max_tokens` and `temperature` and get neither."""

    is_reasoning: bool = True
    max_tokens: int = 4096
    temperature: str = "0.5"
    context_tokens: int = 0
    """The maximum length of a prompt; 0 if it is not known."""


@dataclass(frozen=True)
class IdentityEndpoint:
    """The platform's token endpoint. `client_id` selects a user-assigned identity."""

    url: str
    header: str = field(repr=False)
    client_id: str = ""


@dataclass(frozen=True)
class StorageSettings:
    """The connection `AzureWebJobsStorage`: endpoint and identity, or with Core Tools a connection string."""

    table_endpoint: str = ""
    identity: IdentityEndpoint = IdentityEndpoint("", "")
    connection_string: str = field(default="", repr=False)
    lease_table: str = "AssistantLeases"
    todo_table: str = "Todos"


@dataclass(frozen=True)
class ModelConnection:
    """The model, for the app's own request. `endpoint` is empty if the app has no identity."""

    endpoint: str = ""
    deployment: str = ""
    identity: IdentityEndpoint = IdentityEndpoint("", "")


@dataclass(frozen=True)
class Settings:
    """`site_host` is the app's host name, empty outside a Functions host."""

    http_auth_level: func.AuthLevel = func.AuthLevel.FUNCTION
    default_instructions: str = DEFAULT_INSTRUCTIONS
    model: ModelSettings = ModelSettings()
    model_connection: ModelConnection = ModelConnection()
    storage: StorageSettings = StorageSettings()
    expose_instructions: bool = False
    chat_page: bool = False
    retention_days: int = 0
    max_conversation_messages: int = 0
    site_host: str = ""


def _missing(environment: Mapping[str, str]) -> list[str]:
    """Missing settings of the host and the extension, without which the app would start but not work."""
    tables = environment.get("AzureWebJobsStorage__tableServiceUri") or environment.get("AzureWebJobsStorage")
    settings = {
        "AzureWebJobsStorage__tableServiceUri": tables,
        "AzureOpenAI__endpoint": environment.get("AzureOpenAI__endpoint"),
        "CHAT_MODEL_DEPLOYMENT_NAME": environment.get("CHAT_MODEL_DEPLOYMENT_NAME"),
    }
    return [f"The app setting {name} is missing." for name, value in settings.items() if not value]


def without_separator(number: str) -> str:
    """A number of at most two decimals as `50E-2`.

    The extension parses the binding's numbers with the culture of the machine. With Core Tools that may be
    one in which the point separates thousands: `0.5` would be 5.
    """
    return f"{round(float(number) * 100)}E-2"


@functools.cache
def current() -> Settings:
    """The settings of this process. Raises SettingsError."""
    return load()


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check every setting. Raises SettingsError with all problems.

    It runs while the host indexes the app. If the import raised, every route would answer 404 without a
    reason. So function_app.py then serves only the health endpoint, which returns these problems; a
    deployment queries it and fails with them (delivery/publish.py).
    """
    problems: list[str] = []

    def checked(name: str, value: str, is_valid: bool, rule: str) -> str:
        if not is_valid:
            problems.append(f"The app setting {name} is {_display(value)}: it must be {rule}.")
        return value

    def switch(name: str, default: bool) -> bool:
        value = environment.get(name, str(default).lower())
        checked(name, value, value in _SWITCH, "true or false")
        return _SWITCH.get(value, False)

    def number(name: str, default: int, lowest: int, highest: int) -> int:
        value = environment.get(name, str(default))
        is_valid = re.fullmatch(r"[0-9]{1,9}", value) is not None and lowest <= int(value) <= highest
        checked(name, value, is_valid, f"a whole number from {lowest} to {highest}")
        return int(value) if is_valid else lowest

    def table(name: str, default: str) -> str:
        value = environment.get(name, default)
        return checked(name, value, _TABLE.fullmatch(value) is not None, "3 to 63 letters and digits")

    level = environment.get("HTTP_AUTH_LEVEL", "function")
    checked("HTTP_AUTH_LEVEL", level, level in _AUTH_LEVELS, f"one of {', '.join(sorted(_AUTH_LEVELS))}")
    instructions = environment.get("DEFAULT_INSTRUCTIONS", DEFAULT_INSTRUCTIONS)
    problems += [
        f"The app setting DEFAULT_INSTRUCTIONS {problem}." for problem in text_problems(instructions)
    ]
    temperature = environment.get("CHAT_MODEL_TEMPERATURE", ModelSettings.temperature)
    checked(
        "CHAT_MODEL_TEMPERATURE",
        temperature,
        re.fullmatch(r"[01](\.[0-9]{1,2})?|2(\.0{1,2})?", temperature) is not None,
        "a number from 0 to 2 with at most two decimals",
    )
    # Set by every Functions host. Where the app is indexed without one, as in a test, it has no connections.
    if environment.get("WEBSITE_HOSTNAME"):
        problems += _missing(environment)
    identity_url = environment.get("IDENTITY_ENDPOINT", "")

    def identity(client_id: str) -> IdentityEndpoint:
        header = environment.get("IDENTITY_HEADER", "")
        return IdentityEndpoint(identity_url, header, environment.get(client_id, ""))

    settings = Settings(
        http_auth_level=_AUTH_LEVELS.get(level, func.AuthLevel.FUNCTION),
        default_instructions=instructions,
        model=ModelSettings(
            is_reasoning=switch("CHAT_MODEL_IS_REASONING", ModelSettings.is_reasoning),
            max_tokens=number("CHAT_MODEL_MAX_TOKENS", ModelSettings.max_tokens, 1, 128_000),
            temperature=temperature,
            context_tokens=number("CHAT_MODEL_CONTEXT_TOKENS", ModelSettings.context_tokens, 0, 10_000_000),
        ),
        model_connection=ModelConnection(
            environment.get("AzureOpenAI__endpoint", "") if identity_url else "",
            environment.get("CHAT_MODEL_DEPLOYMENT_NAME", ""),
            identity("AzureOpenAI__clientId"),
        ),
        storage=StorageSettings(
            table_endpoint=environment.get("AzureWebJobsStorage__tableServiceUri", ""),
            identity=identity("AzureWebJobsStorage__clientId"),
            connection_string=environment.get("AzureWebJobsStorage", ""),
            lease_table=table("LEASE_TABLE", StorageSettings.lease_table),
            todo_table=table("TODO_TABLE", StorageSettings.todo_table),
        ),
        expose_instructions=switch("EXPOSE_INSTRUCTIONS", Settings.expose_instructions),
        chat_page=switch("CHAT_PAGE", Settings.chat_page),
        retention_days=number("ASSISTANT_RETENTION_DAYS", Settings.retention_days, 0, 3650),
        max_conversation_messages=number(
            "MAX_CONVERSATION_MESSAGES", Settings.max_conversation_messages, 0, 2048
        ),
        site_host=environment.get("WEBSITE_HOSTNAME", ""),
    )
    if problems:
        raise SettingsError(problems)
    return settings


def _display(value: str) -> str:
    return repr(value) if len(value) <= _MAX_DISPLAYED_CHARACTERS else f"a text of {len(value)} characters"
