import pytest

from local_azure.functions_host import routes
from local_azure.functions_host.routes import Route, TemplateError

ID = "{assistantId:maxlength(64):regex(^[A-Za-z0-9_-]+$)}"


def match(template: str, path: str) -> dict[str, str] | None:
    return routes.match(routes.parse(template), path)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/hello", "/api/hello", {}),
        ("api/hello", "/api/hello//", None),
        ("api/hello", "//api/hello", None),
        ("api/hello", "/api//hello", None),
        ("api/hello", "/api/hell", None),
        ("api/hello", "/api/hello/more", None),
        ("", "/", {}),
        ("a/{id}", "/a/", None),
        ("a/{id?}", "/a", {}),
        ("a/{id=b}", "/a", {"id": "b"}),
        ("a/{id:maxlength(1)=5}", "/a/7", {"id": "7"}),
        ("a/{id:maxlength(1):regex(5)=5}", "/a", {"id": "5"}),
        ("a/{id:regex(^a=b$)}", "/a/a=b", {"id": "a=b"}),
        ("a/{*rest}", "/a/b/c/", {"rest": "b/c/"}),
        ("a/{*rest}", "/a//b", None),
        ("a{{b}}", "/a{b}", {}),
    ],
)
def test_a_path_matches_a_template(template: str, path: str, values: dict[str, str] | None) -> None:
    assert match(template, path) == values


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ("maxlength(2)", ["ab"], ["abc", "a\U0001f600"]),
        ("regex(^a+$)", ["aa", "AA", "a\n"], ["b", "ab"]),
        ("regex(b)", ["abc"], ["ac"]),
        ("regex(^(a|b)(c)$)", ["ac", "bc"], ["c"]),
        ("regex(^a{{2}}$)", ["aa"], ["a", "aaa"]),
        (r"regex(^a\z)", ["a"], ["a\n"]),
        ("MAXLENGTH(2)", ["ab"], ["abc"]),
        ("maxlength(2):regex(^a)", ["ab"], ["abc", "ba"]),
    ],
)
def test_an_inline_constraint_decides(constraint: str, good: list[str], bad: list[str]) -> None:
    template = f"{{v:{constraint}}}"
    assert [value for value in good if match(template, f"/{value}") is None] == []
    assert [value for value in bad if match(template, f"/{value}") is not None] == []


@pytest.mark.parametrize("hostile", ["a'b", "a/b", "x" * 65, "a b", "a;b", "ä", "%2F", ""])
def test_the_id_constraint_keeps_hostile_ids_out(hostile: str) -> None:
    assert match(f"api/assistants/{ID}", f"/api/assistants/{hostile}") is None


def test_the_id_constraint_lets_good_ids_and_a_last_newline_through() -> None:
    assert match(ID, "/Abc_-9") == {"assistantId": "Abc_-9"}
    # The `$` of .NET stands before a last newline too: the handler has to check again.
    assert match(ID, "/a\n") == {"assistantId": "a\n"}


REFUSED = [
    *(
        "/a",
        "a//b",
        "{a",
        "a}b",
        "{a}}",
        "{a}{b}",
        "{a}.{b}",
        "{a}/{A}",
        "{*a}/b",
        "x{*a}",
        "{a?}b",
        "{}",
        "{***a}",
    ),
    *(
        "{a:unknown}",
        "{a:maxlength(x)}",
        "{a:int}",
        "{a:length(5,2)}",
        "{a:length(1,2,3)}",
        "{a:regex([)}",
        "{a:regex(a{2})}",
    ),
    *("{a:regex}", "{*a?}", "a?b", "{a=b?}"),
]


@pytest.mark.parametrize("template", REFUSED)
def test_a_template_that_asp_net_refuses_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        routes.parse(template)


def test_a_slash_inside_a_regular_expression_is_no_separator() -> None:
    assert match("{a:regex(^[^/]+$)}/b", "/x/b") == {"a": "x"}


def test_the_first_function_in_order_wins_and_another_method_goes_on() -> None:
    table = [
        Route("Put", routes.parse("a/{id}"), frozenset({"PUT"})),
        Route("Literal", routes.parse("a/b"), frozenset({"GET"})),
        Route("Any", routes.parse("a/{id}"), frozenset()),
    ]
    matches = [routes.find(table, method, "/a/b") for method in ("put", "GET", "HEAD")]
    assert [match and match.route.function for match in matches] == ["Put", "Literal", "Any"]
