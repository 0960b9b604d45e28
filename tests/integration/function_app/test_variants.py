"""The create function of the documentation page, in its six languages, against this app."""

import json
import re
from collections.abc import Mapping
from typing import Any

import azure.functions as func
import pytest
from assistants.routes.create import blueprint
from assistants.settings import DEFAULT_INSTRUCTIONS, load
from assistants.tables.clients import Tables

from delivery.package import Package
from infra import program
from local_azure.functions_host import bundle
from tests.host_requests import request
from tests.integration.function_app.test_app import indexed
from tests.unit.infra.recording import run_program
from tests.variants import ASK, ASSUME, TWO_LINES, VARIANTS, Variant

each_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


@pytest.fixture
def configured(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The app settings that the stack writes for the variant's own."""

    def build_package(_python_version: str) -> Package:
        return Package(".build/function_app.zip", "0" * 64, 1)

    monkeypatch.setattr(program, "build_package", build_package)
    return run_program(variant.settings).app_settings()


def answered(app_settings: Mapping[str, str], tables: Tables) -> tuple[func.HttpResponse, str]:
    """The registered function's response to a PUT without a body, and its output for the binding."""
    app = func.FunctionApp()
    app.register_functions(blueprint(load(app_settings), tables))
    (function,) = app.get_functions()
    out = Handed()
    response = function.get_user_function()(request("PUT", "hello"), out)
    return response, out.get()


class Handed(func.Out[bytes]):
    """The argument of the output binding."""

    def __init__(self) -> None:
        self._values: list[bytes] = []

    def set(self, val: bytes) -> None:
        self._values.append(val)

    def get(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride] # as text, to compare
        (value,) = self._values
        return value.decode()


@each_variant
def test_the_payload_is_the_variants_to_the_order_of_its_members(
    configured: dict[str, str], variant: Variant, tables: Tables
) -> None:
    _, payload = answered(configured, tables)
    # Pairs: a dict would forget the order, and a member given twice.
    assert json.loads(payload, object_pairs_hook=list) == [
        ("id", "hello"),
        ("instructions", variant.instructions),
        ("chatStorageConnectionSetting", "AzureWebJobsStorage"),
        ("collectionName", "ChatState"),
    ]


@each_variant
def test_the_answer_is_the_variants_but_202_for_javas_201(
    configured: dict[str, str], variant: Variant, tables: Tables
) -> None:
    response, _ = answered(configured, tables)
    assert response.status_code == (202 if variant is VARIANTS["Java"] else variant.status)
    assert response.mimetype == variant.media_type
    assert json.loads(response.get_body()) == {"assistantId": "hello"}


@each_variant
def test_method_route_auth_level_and_binding_are_the_variants(
    configured: dict[str, str], variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    bindings = {binding["type"]: binding for binding in indexed(monkeypatch, configured)["CreateAssistant"]}
    trigger = bindings["httpTrigger"]
    # The one addition to the page's route: the constraint, without which an id can delete others' rows.
    assert re.sub(r":maxlength\(64\):regex\(.*\)(?=}$)", "", trigger["route"]) == "assistants/{assistantId}"
    assert trigger["route"] != "assistants/{assistantId}"
    assert (trigger["methods"], trigger["authLevel"]) == (["PUT"], variant.auth_level.upper())
    assert bindings["assistantCreate"]["direction"] == "OUT"


def test_the_variants_differ_in_these_and_in_nothing_else() -> None:
    """The differences within the page; a variant that is corrected upstream is reported here."""
    documented = Variant(instructions=TWO_LINES)
    differences = {
        language: sorted(
            name
            for name in ("auth_level", "status", "media_type", "instructions", "binding", "data_type")
            if getattr(variant, name) != getattr(documented, name)
        )
        for language, variant in VARIANTS.items()
    }
    assert differences == {
        "C#": [],
        "Java": ["binding", "status"],
        "JavaScript": ["instructions"],
        "TypeScript": ["instructions"],
        "PowerShell": ["auth_level", "binding", "data_type", "instructions"],
        "Python": ["auth_level", "binding", "instructions"],
    }


def test_apart_from_white_space_all_instructions_are_the_same_two_sentences() -> None:
    sentences = {" ".join(variant.instructions.replace("\\n", "\n").split()) for variant in VARIANTS.values()}
    assert sentences == {f"{ASSUME} {ASK}"}
    assert DEFAULT_INSTRUCTIONS == TWO_LINES


@each_variant
def test_an_app_with_its_own_defaults_needs_exactly_the_settings_that_are_named(variant: Variant) -> None:
    needed: dict[str, Any] = {}
    if variant.auth_level != "function":
        needed["httpAuthLevel"] = variant.auth_level
    if variant.instructions != DEFAULT_INSTRUCTIONS:
        needed["defaultInstructions"] = variant.instructions
    assert variant.settings == needed


@pytest.mark.parametrize("name", ["CreateAssistant", "createAssistant"])
def test_the_name_in_the_pages_configuration_text_is_no_binding(name: str) -> None:
    """function.json "must be CreateAssistant" it says; its own examples, and the extension, say otherwise."""
    preview = bundle.resolve(bundle.PREVIEW, "[4.45.0, 4.48.0)")
    assert name.lower() not in preview.types
    assert "assistantCreate".lower() in preview.types
