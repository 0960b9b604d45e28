"""All settings of the stack. Each is declared here and nowhere else.

`make settings` writes Pulumi.yaml's `config` and docs/settings.md from it. With `app_setting` the value also
becomes an app setting of that name, which function_app/assistants/settings.py reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from delivery.package import DEFAULT_PYTHON, SUPPORTED_PYTHON
from infra.settings import rules
from infra.settings.rules import HttpAuthLevel
from infra.settings.schema import setting, settings_of

REPLACES_ALL = "**replaces everything**"


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The chat model."""

    location: str = setting(
        "openaiLocation",
        "",
        rules.optional_region,
        "Azure region of the Azure OpenAI account (quota differs by region); empty means `location`",
        change="**replaces the account**: the new one first, then the app moves, then the old one is deleted "
        "with its host name and quota",
    )
    name: str = setting(
        "modelName",
        "gpt-5.4-mini",
        rules.any_text,
        "Chat model, one of infra/settings/models.py",
        change="new deployment first",
    )
    version: str = setting(
        "modelVersion",
        "2026-03-17",
        rules.any_text,
        "Version of the chat model (in quotes, or YAML reads a date)",
    )
    sku: str = setting(
        "modelSku",
        "GlobalStandard",
        rules.one_of("GlobalStandard", "DataZoneStandard", "Standard"),
        "Where the model may run; Standard is this region only",
    )
    capacity: int = setting(
        "modelCapacity",
        50,
        rules.integer(1, 100_000, "thousand tokens per minute"),
        "Quota of the deployment; also the only limit on what a reasoning model may cost",
    )
    is_reasoning: bool = setting(
        "modelIsReasoning",
        True,
        rules.boolean,
        "Leaves `max_tokens` and `temperature` out of requests, which the gpt-5 family refuses",
        app_setting="CHAT_MODEL_IS_REASONING",
    )
    max_tokens: int = setting(
        "modelMaxTokens",
        4096,
        rules.integer(1, 128_000, "tokens"),
        "Maximum length of one reply; not sent to a reasoning model. Few tokens truncate tool calls, "
        "which ends a conversation",
        app_setting="CHAT_MODEL_MAX_TOKENS",
    )
    temperature: str = setting(
        "modelTemperature",
        "0.5",
        rules.temperature,
        "Randomness of replies (in quotes, or YAML reads a number); not sent to a reasoning model",
        app_setting="CHAT_MODEL_TEMPERATURE",
    )


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """The function app and its plan."""

    python_version: str = setting(
        "pythonVersion",
        DEFAULT_PYTHON,
        rules.one_of(*SUPPORTED_PYTHON),
        "Python of the function app (in quotes, or YAML reads a number); "
        "the same in all environments that get one package",
        change="update in place, and the code is deployed again",
    )
    instance_memory_mb: int = setting(
        "instanceMemoryMB", 2048, rules.integer_of((512, 2048, 4096), "MB"), "Memory of one instance"
    )
    # ARM may take less than 40 (terraform-provider-azurerm allows 1), but the service documents 40.
    maximum_instance_count: int = setting(
        "maximumInstanceCount", 100, rules.integer(40, 1000, "instances"), "Maximum number of instances"
    )
    always_ready: Mapping[str, int] = setting(
        "alwaysReady",
        {},
        rules.always_ready,
        "Instances kept warm (and paid for) by scale group, as `http` to 1; empty scales to zero",
    )
    # A post is two requests: the route waits for the function that has the binding. With one at a time every
    # post would need a second instance.
    http_concurrency: int = setting(
        "httpConcurrency",
        16,
        rules.integer(2, 1000, "requests"),
        "Requests that one instance handles at once; a post is two",
    )
    http_auth_level: HttpAuthLevel = setting(
        "httpAuthLevel",
        "function",
        rules.auth_level,
        "Who may call: `function` (whoever has a key) or `anonymous` (everybody)",
        app_setting="HTTP_AUTH_LEVEL",
    )
    expose_instructions: bool = setting(
        "exposeInstructions",
        True,
        rules.boolean,
        "Lets callers read the system prompt of an assistant",
        app_setting="EXPOSE_INSTRUCTIONS",
    )
    chat_page: bool = setting(
        "chatPage",
        True,
        rules.boolean,
        "Serves a page at /api/chat to talk to assistants",
        app_setting="CHAT_PAGE",
    )
    assistant_retention_days: int = setting(
        "assistantRetentionDays",
        0,
        rules.integer(0, 3650, "days"),
        "Time after which a timer deletes an idle assistant; 0 means never",
        app_setting="ASSISTANT_RETENTION_DAYS",
    )
    max_conversation_messages: int = setting(
        "maxConversationMessages",
        0,
        rules.integer(0, 2048, "messages"),
        "Maximum number of messages of a conversation, beyond which a post is refused; 0 means no limit",
        app_setting="MAX_CONVERSATION_MESSAGES",
    )
    cors_origins: Sequence[str] = setting(
        "corsOrigins",
        [],
        rules.origins,
        "Web origins whose pages may call, as `https://app.example.com`, or only `*`",
    )


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """Log Analytics and Application Insights."""

    # The retentions of Application Insights, whose tables fill the workspace.
    retention_days: int = setting(
        "logRetentionDays",
        30,
        rules.integer_of((30, 60, 90, 120, 180, 270, 365, 550, 730), "days"),
        "Time for which logs are kept",
    )
    daily_cap_gb: int = setting(
        "logDailyCapGB",
        1,
        rules.integer(0, 4000, "gigabytes a day"),
        "Maximum size of the logs of one day, above which that day's logs are dropped; 0 means no limit",
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    location: str = setting(
        "location",
        "eastus2",
        rules.region,
        "Azure region of everything but the model, one of infra/settings/regions.py",
        change=REPLACES_ALL,
    )
    unlisted_regions: Sequence[str] = setting(
        "unlistedRegions",
        [],
        rules.regions,
        "Regions that `location` and `openaiLocation` may name although infra/settings/regions.py does not "
        "list them, or not with the model",
        change="none",
    )
    model: ModelSettings
    host: HostSettings
    default_instructions: str = setting(
        "defaultInstructions",
        "",
        rules.instructions,
        "Instructions of an assistant whose request has none; empty means the function app's own",
        app_setting="DEFAULT_INSTRUCTIONS",
    )
    logs: LogSettings
    tags: Mapping[str, str] = setting(
        "tags",
        {},
        rules.tags,
        "Tags of every resource, in addition to `project`, `stack` and, for a pull request, `pullRequest`",
        change="update in place (the preview displays role assignments as replaced, since the identity's id "
        "is unknown while that is updated; they stay)",
    )
    deletion_protection: bool = setting(
        "deletionProtection",
        False,
        rules.boolean,
        "Protects the conversations and the model account: Pulumi's `protect`, and a CanNotDelete lock on "
        "the storage account",
    )
    name_suffix: str = setting(
        "nameSuffix",
        "",
        rules.suffix,
        "Suffix that gives every resource another name (as when a name is soft-deleted)",
        change=REPLACES_ALL,
    )
    test_stack_hours: int = setting(
        "testStackHours",
        72,
        rules.integer(0, 8760, "hours"),
        "Time from its last `up` until the nightly sweep takes down the stack of a pull request; 0 means not "
        "before the pull request is closed. Other stacks ignore it",
        change="none",
    )


SETTINGS = settings_of(Settings)
