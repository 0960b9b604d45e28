import shutil

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run, however slow the machine is.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

WITHOUT_CLI = "the Pulumi CLI is not on PATH (https://www.pulumi.com/docs/iac/download-install/)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("pulumi"):
        return
    for item in items:
        if item.get_closest_marker("cli"):
            item.add_marker(pytest.mark.skip(reason=WITHOUT_CLI))
