"""Which ids are valid, and that every route checks them before anything else."""

from collections.abc import Callable

import azure.functions as func
import pytest
from assistants import paths
from assistants.routes import parsing
from hypothesis import given
from hypothesis import strategies as st

from local_azure.functions_host import routes
from tests import hostile
from tests.host_requests import GOOD_IDS, Api, body_of

ALPHABET = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
# In front of `run` is a binding, so that only the constraint can refuse an id.
TEMPLATES = [routes.parse(template) for template in (paths.ASSISTANT, paths.MESSAGES, paths.RUN)]


def check(assistant_id: str) -> None:
    is_valid = 1 <= len(assistant_id) <= 64 and set(assistant_id) <= ALPHABET
    problems = [(problem.location, problem.name) for problem in parsing.id_problems(assistant_id)]
    assert problems == ([] if is_valid else [("path", "assistantId")])
    for template, end in zip(TEMPLATES, ("", "/messages", "/run"), strict=True):
        match = template.match(f"/assistants/{assistant_id}{end}")
        assert match == ({"assistantId": assistant_id} if is_valid else None)


def test_an_id_is_valid_for_the_app_and_its_routes_exactly_when_it_is_in_the_alphabet() -> None:
    for assistant_id in (*GOOD_IDS, *hostile.IDS, *hostile.SLASHES, ".", "..", "\ud800"):
        check(assistant_id)
    given(st.text() | hostile.ids())(check)()


ROUTES: dict[str, Callable[[Api, str], func.HttpResponse]] = {
    "PUT": Api.put,
    "PUT, only if new": lambda api, assistant_id: api.put(assistant_id, headers={"If-None-Match": "*"}),
    "GET": Api.get,
    "GET as the binding": lambda api, assistant_id: api.get(assistant_id, {"timestampUTC": "2020-01-01"}),
    "GET with a bad parameter": lambda api, assistant_id: api.get(assistant_id, {"limit": "x"}),
    "GET with a duplicate": lambda api, assistant_id: api.get(assistant_id, {}, "limit=1&limit=2"),
    "POST messages": lambda api, assistant_id: api.post("Hi", assistant_id),
    "POST": lambda api, assistant_id: api.post_query({"message": "Hi"}, assistant_id=assistant_id),
    "DELETE": Api.delete,
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@pytest.mark.parametrize("assistant_id", ["x' or PartitionKey eq 'victim", "a" * 65])
def test_every_route_rejects_an_invalid_id_without_tables_or_a_call(
    route: Callable[[Api, str], func.HttpResponse], assistant_id: str
) -> None:
    api = Api()
    response = route(api, assistant_id)
    assert (response.status_code, response.mimetype, api.run.calls) == (400, "application/problem+json", [])
    assert body_of(response)["errors"][0]["name"] == "assistantId"
