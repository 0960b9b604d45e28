"""What an import of the app costs: a cold start waits for it."""

import subprocess
import sys

from tests.host_requests import APP


def output_of(script: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=APP,
        env={"PYTHONPATH": str(APP)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_an_import_loads_no_library_but_azure_functions() -> None:
    modules = [
        set(output_of(f"import sys; {statement}; print(*sys.modules)").split())
        for statement in ("import function_app", "import azure.functions")
    ]
    packages = {name.partition(".")[0] for name in modules[0] - modules[1]} - sys.stdlib_module_names
    assert packages == {"function_app", "assistants", "skills"}


def test_the_chat_page_is_read_at_its_first_request_only() -> None:
    script = (
        "import sys\n"
        "def report(event, args):\n"
        "    if event == 'open' and 'chat_page' in str(args[0]): print(args[0])\n"
        "sys.addaudithook(report)\n"
        "from assistants.routes import chat\n"
        "chat.blueprint(True)\n"
        "print('requested')\n"
        "chat.page()\n"
    )
    opened = output_of(script).split()
    assert opened[0] == "requested"
    assert len(opened) > 1
