import re
import uuid

from local_azure.core.naming import AutoName, automatic_name

URN = "urn:pulumi:local::assistant::azure-native:storage:StorageAccount::sa"


def test_random_names_are_the_logical_name_and_eight_hex_digits() -> None:
    assert re.fullmatch(r"sa[0-9a-f]{8}", automatic_name(AutoName.RANDOM, URN, b"seed"))


def test_the_same_seed_gives_the_same_name_and_another_seed_another() -> None:
    first = automatic_name(AutoName.RANDOM, URN, b"seed")
    assert first == automatic_name(AutoName.RANDOM, URN, b"seed")
    assert first != automatic_name(AutoName.RANDOM, URN, b"other")


def test_without_a_seed_names_differ() -> None:
    assert automatic_name(AutoName.RANDOM, URN, b"") != automatic_name(AutoName.RANDOM, URN, b"")


def test_guids_and_copies() -> None:
    assert uuid.UUID(automatic_name(AutoName.UUID, URN, b"seed")).version == 4
    assert automatic_name(AutoName.COPY, URN, b"seed") == "sa"
    assert automatic_name(AutoName.DEFAULT, URN, b"seed") == "default"
