"""The app settings: defaults, rules, and the message for each setting that breaks one."""

import azure.functions as func
import pytest
from assistants.rules import MAX_INSTRUCTIONS_UNITS
from assistants.settings import DEFAULT_INSTRUCTIONS, Settings, SettingsError, load, without_separator

NUMBERS = {
    "CHAT_MODEL_MAX_TOKENS": (1, 128_000),
    "CHAT_MODEL_CONTEXT_TOKENS": (0, 10_000_000),
    "ASSISTANT_RETENTION_DAYS": (0, 3650),
    "MAX_CONVERSATION_MESSAGES": (0, 2048),
}


def number_of(settings: Settings, name: str) -> int:
    return {
        "CHAT_MODEL_MAX_TOKENS": settings.model.max_tokens,
        "CHAT_MODEL_CONTEXT_TOKENS": settings.model.context_tokens,
        "ASSISTANT_RETENTION_DAYS": settings.retention_days,
        "MAX_CONVERSATION_MESSAGES": settings.max_conversation_messages,
    }[name]


@pytest.mark.parametrize(("name", "bounds"), NUMBERS.items(), ids=NUMBERS)
def test_a_number_may_have_the_value_of_each_of_its_bounds(name: str, bounds: tuple[int, int]) -> None:
    for number in bounds:
        assert number_of(load({name: str(number)}), name) == number


@pytest.mark.parametrize(("name", "bounds"), NUMBERS.items(), ids=NUMBERS)
def test_any_other_number_is_reported_with_its_bounds(name: str, bounds: tuple[int, int]) -> None:
    lowest, highest = bounds
    for value in (str(lowest - 1), str(highest + 1), "", "1.0", "+1", " 1", "1e3", "\u0661", "9" * 10):
        with pytest.raises(SettingsError) as raised:
            load({name: value})
        assert raised.value.problems == (
            f"The app setting {name} is {value!r}: it must be a whole number from {lowest} to {highest}.",
        )


@pytest.mark.parametrize("name", ["CHAT_MODEL_IS_REASONING", "EXPOSE_INSTRUCTIONS", "CHAT_PAGE"])
def test_a_switch_is_true_or_false_and_nothing_else(name: str) -> None:
    for value in ("true", "false"):
        load({name: value})
    for value in ("True", "1", "yes", ""):
        with pytest.raises(SettingsError, match=f"^The app setting {name} is .* must be true or false.$"):
            load({name: value})


@pytest.mark.parametrize(
    ("temperature", "is_valid"),
    [
        *((value, True) for value in ("0", "0.0", "0.55", "1", "1.99", "2", "2.0", "2.00")),
        *((value, False) for value in ("", "-0.1", "2.01", "2.1", "3", "0.555", "0,5", ".5", "1e0", "1.")),
    ],
)
def test_a_temperature_is_a_number_from_0_to_2_with_at_most_two_decimals(
    temperature: str, is_valid: bool
) -> None:
    if is_valid:
        assert load({"CHAT_MODEL_TEMPERATURE": temperature}).model.temperature == temperature
        return
    with pytest.raises(SettingsError, match="must be a number from 0 to 2 with at most two decimals"):
        load({"CHAT_MODEL_TEMPERATURE": temperature})


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [("abc", True), ("A" * 63, True), ("a1b", True), ("ab", False), ("A" * 64, False), ("1ab", False)],
)
@pytest.mark.parametrize("setting", ["LEASE_TABLE", "TODO_TABLE"])
def test_a_table_name_is_3_to_63_letters_and_digits(setting: str, name: str, is_valid: bool) -> None:
    if is_valid:
        load({setting: name})
        return
    with pytest.raises(SettingsError, match="must be 3 to 63 letters and digits"):
        load({setting: name})


def test_a_temperature_is_independent_of_the_decimal_separator() -> None:
    """`float.TryParse` with the culture of Core Tools' machine reads `0.5` as 5 where that is a comma."""
    for hundredths in range(201):
        text = f"{hundredths // 100}.{hundredths % 100:02}"
        for written in {text, text.removesuffix("0"), text.removesuffix(".00")}:
            emitted = without_separator(written)
            assert (emitted, float(emitted)) == (f"{hundredths}E-2", float(written))


def test_settings_have_defaults() -> None:
    settings = load({})
    model, storage = settings.model, settings.storage
    assert settings.http_auth_level is func.AuthLevel.FUNCTION
    assert settings.default_instructions == DEFAULT_INSTRUCTIONS
    assert (settings.expose_instructions, settings.chat_page, settings.retention_days) == (False, False, 0)
    assert (model.is_reasoning, model.max_tokens, model.temperature) == (True, 4096, "0.5")
    assert model.context_tokens == 0
    assert (storage.lease_table, storage.todo_table) == ("AssistantLeases", "Todos")


def test_in_a_host_the_settings_that_the_bindings_need_must_be_there() -> None:
    complete = {
        "WEBSITE_HOSTNAME": "app.example",
        "AzureWebJobsStorage__tableServiceUri": "https://account.example",
        "AzureOpenAI__endpoint": "https://model.example",
        "CHAT_MODEL_DEPLOYMENT_NAME": "chat",
    }
    load(complete)
    with pytest.raises(SettingsError) as raised:
        load({"WEBSITE_HOSTNAME": "app.example"})
    assert raised.value.problems == tuple(
        f"The app setting {name} is missing." for name in list(complete)[1:]
    )


def test_settings_name_everything_that_is_wrong_at_once() -> None:
    with pytest.raises(
        SettingsError, match=r"HTTP_AUTH_LEVEL is 'admin'.*DEFAULT_INSTRUCTIONS has 32769"
    ) as raised:
        load({"HTTP_AUTH_LEVEL": "admin", "DEFAULT_INSTRUCTIONS": "x" * (MAX_INSTRUCTIONS_UNITS + 1)})
    assert "anonymous, function" in str(raised.value)


def test_a_long_value_of_a_setting_is_not_displayed() -> None:
    """It may be a secret that was put into the wrong setting, and whoever asks for health may read it."""
    connection = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0"
    with pytest.raises(SettingsError) as raised:
        load({"LEASE_TABLE": connection, "TODO_TABLE": "no-name"})
    lease, todo = raised.value.problems
    assert (
        lease
        == "The app setting LEASE_TABLE is a text of 64 characters: it must be 3 to 63 letters and digits."
    )
    assert todo == "The app setting TODO_TABLE is 'no-name': it must be 3 to 63 letters and digits."
