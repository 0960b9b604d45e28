"""The parts of the worker that need no process: loading functions and encoding return values."""

from types import ModuleType

import azure.functions
import pytest

from local_azure.functions_host import worker
from local_azure.functions_host.invoker import returned_json
from local_azure.functions_host.worker_process import Datum

START = """
from __future__ import annotations
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""
ROUTE = "@app.route(route='a')\n"
OUT = "@app.generic_output_binding(arg_name='o', type='queue')\n"
POST = f"{ROUTE}@app.assistant_post_input(arg_name='state', id='a', user_message='b')\n"
TIMER = "@app.timer_trigger(arg_name='t', schedule='0 0 0 * * *')\n"
OTHER_WITH_THE_NAME_A = "@app.function_name('a')\n@app.route(route='b')\ndef b(req): pass"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("del app", "Could not find a top level function app instance"),
        ("other = func.FunctionApp()", "More than one top level function app instance"),
        ("", "has no functions"),
        (f"{ROUTE}def a(req, more): pass", r"not in the function definition: \['more'\]"),
        (f"{ROUTE}def a(other): pass", r"but not in Python: \['req'\]"),
        (f"{OUT}{ROUTE}def a(req, o: str): pass", "not a subclass of azure.functions.Out"),
        (f"{ROUTE}def a(req: func.Out[str]): pass", "is a subclass of azure.functions.Out"),
        (f"{ROUTE}def a(req): pass\n{OTHER_WITH_THE_NAME_A}", "does not have a unique function name"),
        (f"{OUT}def a(o): pass", "does not have a trigger"),
        (f"{POST}def a(req, state: dict): pass", '"assistantPost" does not match .* annotation "dict"'),
        (f"{POST}def a(req, state: str | None): pass", r"invalid non-type annotation str \| None"),
        (f"{TIMER}def a(t: str): pass", 'type of t binding in function.json "timerTrigger" does not match'),
    ],
)
def test_functions_that_do_not_match_their_bindings_are_refused(source: str, message: str) -> None:
    module = ModuleType("function_app")
    exec(START + source, module.__dict__)  # noqa: S102 # the sources above
    with pytest.raises(Exception, match=message):
        worker.load_functions(module, azure.functions)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", '"text"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("", '""'),
        (b"\x00\xff", '"AP8="'),
        ({"a": 1, "ä": [True, None, 0.5]}, '{"a":1,"ä":[true,null,0.5]}'),
        (5, "5"),
        (1.5, "1.5"),
        (True, "1"),
        (None, None),
    ],
)
def test_the_return_value_of_a_skill_is_json(value: object, expected: str | None) -> None:
    message = worker.encode_return(value)
    assert returned_json(None if message is None else Datum(**message)) == expected
