from local_azure.core.errors import ArmError


def test_text_is_what_the_real_provider_shows() -> None:
    error = ArmError(409, "ScopeLocked", "The scope is locked.")
    assert str(error) == 'Status=409 Code="ScopeLocked" Message="The scope is locked."'
