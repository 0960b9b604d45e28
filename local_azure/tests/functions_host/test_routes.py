"""Templates and paths of which there is no recording."""

import pytest

from local_azure.functions_host import routes
from local_azure.functions_host.routes import Route, TemplateError


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/hello", "/API/hello", {}),
        ("api/hello", "/api/hello/more", None),
        ("api/hello/", "/api/hello", {}),
        ("", "/", {}),
        ("a/{id}", "/a/", None),
        ("a/{id?}", "/a", {}),
        ("a/{*rest}", "/a/b/c/", {"rest": "b/c/"}),
        ("a/{**rest}", "/a//b", None),
        ("a{{b}}", "/a{b}", {}),
        ("{id:regex(^[^/]+$)}/b", "/x/b", {"id": "x"}),
        ("{id:regex(^a=b$)}", "/a=b", {"id": "a=b"}),
        ("{id:maxlength(2):regex(^a)}", "/ab", {"id": "ab"}),
        ("{id:maxlength(2):regex(^a)}", "/ba", None),
        ("{id:MAXLENGTH(2)}", "/a\U0001f600", None),
        ("{id:regex(^(a|b)(c)$)}", "/bc", {"id": "bc"}),
        ("{id:regex(^a{{2}}$)}", "/a", None),
        # The `$` of .NET stands before a last newline too, `\\z` does not; case is ignored.
        ("{id:regex(^a$)}", "/A\n", {"id": "A\n"}),
        (r"{id:regex(^a\z)}", "/a\n", None),
        (r"{id:regex(^(?<x>a)\Z)}", "/a\n", {"id": "a\n"}),
    ],
)
def test_a_path_matches_a_template(template: str, path: str, values: dict[str, str] | None) -> None:
    assert routes.parse(template).match(path) == values


REFUSED = """
    /a a//b {a a}b {a}} {a}{b} {a}.{b} {a}/{A} {*a}/b x{*a} {a?}b {} {***a} {*a?} a?b {a=b}
    {a:unknown} {a:maxlength(x)} {a:maxlength} {a:regex([)} {a:regex(a{2})}
"""


@pytest.mark.parametrize("template", REFUSED.split())
def test_a_template_that_is_not_valid_is_refused(template: str) -> None:
    with pytest.raises(TemplateError, match="is not valid"):
        routes.parse(template)


def test_the_first_function_in_order_wins_and_another_method_goes_on() -> None:
    table = [
        Route("Put", routes.parse("a/{id}"), frozenset({"PUT"})),
        Route("Literal", routes.parse("a/b"), frozenset({"GET"})),
        Route("Any", routes.parse("a/{id}")),
    ]
    matches = [routes.find(table, method, "/a/b") for method in ("put", "GET", "HEAD")]
    assert [match and match.route.function for match in matches] == ["Put", "Literal", "Any"]
