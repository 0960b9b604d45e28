import re
from dataclasses import asdict

from hypothesis import example, given, settings
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
PART = st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True)


def test_names_are_readable_and_never_change() -> None:
    assert asdict(names(SUBSCRIPTION, "bootstrap", "shared", "")) == {
        "resource_group": "rg-bootstrap-shared-mtpi56a3",
        "storage_account": "stbootstrapsharemtpi56a3",
        "vault": "kv-bootstrap-sh-mtpi56a3",
        "reader": "id-reader-bootstrap-shared-mtpi56a3",
        "deployer": "id-deployer-bootstrap-shared-mtpi56a3",
        "digest": "mtpi56a3",
    }


@settings(max_examples=25)
@example(project=".", stack="_", suffix="")
@given(project=PART, stack=PART, suffix=st.from_regex(r"[a-z0-9]{0,8}", fullmatch=True))
def test_every_name_is_valid_for_its_service_and_another_suffix_gives_another(
    project: str, stack: str, suffix: str
) -> None:
    own, others = (asdict(names(SUBSCRIPTION, project, stack, text)) for text in (suffix, f"{suffix}2"))
    for kind, name in own.items():
        assert re.fullmatch(ALPHABETS[kind], name), f"{kind}: {name}"
        assert name != others[kind]
