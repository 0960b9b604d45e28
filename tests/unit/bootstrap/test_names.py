import re
from dataclasses import asdict

from hypothesis import example, given
from hypothesis import strategies as st

from bootstrap.names import names

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
ALPHABETS = {
    "resource_group": r"[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]",
    "storage_account": r"[a-z0-9]{3,24}",
    "vault": r"(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])*",
    "reader": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "deployer": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "digest": r"[a-z2-7]{8}",
}


def test_names_are_readable_and_never_change() -> None:
    assert asdict(names(SUBSCRIPTION, "bootstrap", "shared", "")) == {
        "resource_group": "rg-bootstrap-shared-mtpi56a3",
        "storage_account": "stbootstrapsharemtpi56a3",
        "vault": "kv-bootstrap-sh-mtpi56a3",
        "reader": "id-reader-bootstrap-shared-mtpi56a3",
        "deployer": "id-deployer-bootstrap-shared-mtpi56a3",
        "digest": "mtpi56a3",
    }


def test_a_suffix_gives_everything_another_name() -> None:
    before, after = (asdict(names(SUBSCRIPTION, "bootstrap", "shared", suffix)) for suffix in ("", "2"))
    assert not set(before.values()) & set(after.values())


@example(project=".", stack="_", suffix="")
@given(
    project=st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True),
    stack=st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True),
    suffix=st.from_regex(r"[a-z0-9]{0,8}", fullmatch=True),
)
def test_every_name_keeps_to_its_service(project: str, stack: str, suffix: str) -> None:
    for kind, name in asdict(names(SUBSCRIPTION, project, stack, suffix)).items():
        assert re.fullmatch(ALPHABETS[kind], name), f"{kind}: {name}"
