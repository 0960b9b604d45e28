"""The part of the worker that needs no process: encoding return values."""

import pytest

from local_azure.functions_host import worker
from local_azure.functions_host.invoker import returned_json
from local_azure.functions_host.worker_process import Datum


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
    message = worker.encode_return(value, "assistantSkillTrigger")
    assert returned_json(None if message is None else Datum(**message)) == expected
