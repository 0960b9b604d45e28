import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from local_azure.loopback import without_proxy
from local_azure.runtime.ports import RANGE_VARIABLE
from tools.pulumi.cli import find

# A shell ignores SIGINT in what it starts in the background, and so would the processes that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, however slow the machine is.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

# The servers that tests start are on loopback addresses.
os.environ.update(without_proxy(os.environ))

# Local Azures remember their ports while they are stopped, when a test of another process might take one.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    width = 12_000 // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    first = 20_000 + width * int(worker.removeprefix("gw"))
    os.environ[RANGE_VARIABLE] = f"{first}-{first + width - 1}"

WITHOUT_CLI = "there is no usable Pulumi CLI: make pulumi"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    need_cli = [item for item in items if item.get_closest_marker("cli")]
    if need_cli and find(os.environ) is None:
        for item in need_cli:
            item.add_marker(pytest.mark.skip(reason=WITHOUT_CLI))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if WITHOUT_CLI in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} stack tests were skipped: {WITHOUT_CLI}")
