import re
import uuid

import pytest

from local_azure.core.naming import AutoName, automatic_name

URN = "urn:pulumi:local::assistant::azure-native:storage:StorageAccount::sa"


def test_a_random_name_is_the_logical_name_and_eight_hex_digits_of_the_seed() -> None:
    name, other, *unseeded = (automatic_name(AutoName.RANDOM, URN, seed) for seed in (b"a", b"b", b"", b""))
    assert re.fullmatch(r"sa[0-9a-f]{8}", name)
    assert name == automatic_name(AutoName.RANDOM, URN, b"a")
    assert len({name, other, *unseeded}) == 4


@pytest.mark.parametrize(("strategy", "name"), [(AutoName.COPY, "sa"), (AutoName.DEFAULT, "default")])
def test_a_fixed_name_needs_no_seed(strategy: AutoName, name: str) -> None:
    assert automatic_name(strategy, URN, b"seed") == name


def test_a_role_assignment_is_named_by_a_guid() -> None:
    assert uuid.UUID(automatic_name(AutoName.UUID, URN, b"seed")).version == 4
