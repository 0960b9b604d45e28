"""The app settings: defaults, rules, and the message for each setting that breaks one."""

from collections.abc import Callable

import azure.functions as func
import pytest
from assistants.settings import DEFAULT_INSTRUCTIONS, Settings, SettingsError, load, without_separator

SWITCHES: dict[str, Callable[[Settings], bool]] = {
    "CHAT_MODEL_IS_REASONING": lambda settings: settings.model.is_reasoning,
    "EXPOSE_INSTRUCTIONS": lambda settings: settings.expose_instructions,
    "CHAT_PAGE": lambda settings: settings.chat_page,
}
NUMBERS: list[tuple[str, int, int, Callable[[Settings], int]]] = [
    ("CHAT_MODEL_MAX_TOKENS", 1, 128_000, lambda settings: settings.model.max_tokens),
    ("CHAT_MODEL_CONTEXT_TOKENS", 0, 10_000_000, lambda settings: settings.model.context_tokens),
    ("ASSISTANT_RETENTION_DAYS", 0, 3650, lambda settings: settings.retention_days),
    ("MAX_CONVERSATION_MESSAGES", 0, 2048, lambda settings: settings.max_conversation_messages),
]


def problems_of(**environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        load(environment)
    return raised.value.problems


def test_settings_have_defaults() -> None:
    settings = load({})
    assert settings.http_auth_level is func.AuthLevel.FUNCTION
    assert settings.default_instructions == DEFAULT_INSTRUCTIONS
    assert settings.model.temperature == "0.5"
    assert (settings.storage.lease_table, settings.storage.todo_table) == ("AssistantLeases", "Todos")
    assert [switch(settings) for switch in SWITCHES.values()] == [True, False, False]
    assert [number(settings) for *_, number in NUMBERS] == [4096, 0, 0, 0]


@pytest.mark.parametrize(("name", "lowest", "highest", "number"), NUMBERS)
def test_a_number_is_between_its_bounds(
    name: str, lowest: int, highest: int, number: Callable[[Settings], int]
) -> None:
    assert [number(load({name: str(bound)})) for bound in (lowest, highest)] == [lowest, highest]
    for value in (str(lowest - 1), str(highest + 1), "", "1.0", "+1", " 1", "1e3", "\u0661", "9" * 10):
        rule = f"it must be a whole number from {lowest} to {highest}."
        assert problems_of(**{name: value}) == (f"The app setting {name} is {value!r}: {rule}",)


@pytest.mark.parametrize(("name", "switch"), SWITCHES.items(), ids=SWITCHES)
def test_a_switch_is_true_or_false_and_nothing_else(name: str, switch: Callable[[Settings], bool]) -> None:
    assert [switch(load({name: value})) for value in ("true", "false")] == [True, False]
    for value in ("True", "1", "yes", ""):
        assert problems_of(**{name: value}) == (
            f"The app setting {name} is {value!r}: it must be true or false.",
        )


@pytest.mark.parametrize(
    ("name", "rule", "valid", "invalid"),
    [
        (
            "CHAT_MODEL_TEMPERATURE",
            "a number from 0 to 2 with at most two decimals",
            ("0", "0.0", "0.55", "1", "1.99", "2", "2.0", "2.00"),
            ("", "-0.1", "2.01", "2.1", "3", "0.555", "0,5", ".5", "1e0", "1."),
        ),
        *(
            (name, "3 to 63 letters and digits", ("abc", "A" * 63, "a1b"), ("ab", "A" * 64, "1ab", "a-b"))
            for name in ("LEASE_TABLE", "TODO_TABLE")
        ),
        ("HTTP_AUTH_LEVEL", "one of anonymous, function", ("anonymous", "function"), ("admin", "")),
    ],
)
def test_a_text_follows_its_rule(
    name: str, rule: str, valid: tuple[str, ...], invalid: tuple[str, ...]
) -> None:
    for value in valid:
        load({name: value})
    for value in invalid:
        (problem,) = problems_of(**{name: value})
        assert problem.startswith(f"The app setting {name} is ")
        assert problem.endswith(f": it must be {rule}.")


def test_a_temperature_is_independent_of_the_decimal_separator() -> None:
    """`float.TryParse` with the culture of Core Tools' machine reads `0.5` as 5 where that is a comma."""
    for hundredths in range(201):
        text = f"{hundredths // 100}.{hundredths % 100:02}"
        for written in {text, text.removesuffix("0"), text.removesuffix(".00")}:
            assert without_separator(written) == f"{hundredths}E-2"


def test_in_a_host_the_settings_that_the_bindings_need_must_be_there() -> None:
    needed = ("AzureWebJobsStorage__tableServiceUri", "AzureOpenAI__endpoint", "CHAT_MODEL_DEPLOYMENT_NAME")
    environment = {"WEBSITE_HOSTNAME": "app.example", **dict.fromkeys(needed, "x")}
    settings = load({**environment, "IDENTITY_ENDPOINT": "http://platform", "IDENTITY_HEADER": "secret"})
    assert (settings.site_host, settings.model_connection.endpoint) == ("app.example", "x")
    assert load(environment).model_connection.endpoint == "", "without an identity"
    load({**environment, needed[0]: "", "AzureWebJobsStorage": "UseDevelopmentStorage=true"})  # Core Tools
    assert problems_of(WEBSITE_HOSTNAME="app.example") == tuple(
        f"The app setting {name} is missing." for name in needed
    )


def test_everything_that_is_wrong_is_named_at_once_and_no_long_value_is_displayed() -> None:
    """It may be a secret in the wrong setting, and the health endpoint needs no key."""
    problems = problems_of(HTTP_AUTH_LEVEL="x" * 20, DEFAULT_INSTRUCTIONS="x" * 32_769, LEASE_TABLE="x" * 64)
    assert problems == (
        f"The app setting HTTP_AUTH_LEVEL is '{'x' * 20}': it must be one of anonymous, function.",
        "The app setting DEFAULT_INSTRUCTIONS has 32769 UTF-16 code units: the maximum is 32768.",
        "The app setting LEASE_TABLE is a text of 64 characters: it must be 3 to 63 letters and digits.",
    )
    assert "text of 21 characters" in problems_of(TODO_TABLE="-" * 21)[0]
