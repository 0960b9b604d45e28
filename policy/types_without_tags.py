"""The types of azure-native that have no tags, from the SDK's source: `make settings` writes the list.

The policy pack reads the list alone, since its own environment has no azure-native.
"""

import re
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

_LIST = Path(__file__).with_suffix(".txt")
_HEAD = "# From azure-native by `make settings`: each module with its types that have no tags.\n"
_TOKEN = re.compile(r"^ +'(azure-native:\w+:\w+)',$", re.MULTILINE)


def types_without_tags() -> frozenset[str]:
    """The types of the list: `azure-native:storage:Table`."""
    lines = (line.split() for line in _LIST.read_text(encoding="utf-8").splitlines() if line[0] != "#")
    return frozenset(f"azure-native:{module}:{name}" for module, *names in lines for name in names)


def listing() -> str:
    """The content of the list for the installed SDK. Raises ModuleNotFoundError."""
    spec = find_spec("pulumi_azure_native")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the program's environment has no pulumi_azure_native: `make setup`")
    by_module: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(Path(spec.origin).parent.glob("[a-z]*/[a-z]*.py")):
        text = file.read_text(encoding="utf-8")
        # The inputs of a resource type are the parameters of the first class of its file.
        parameters = text.partition("def __init__(")[2].partition('"""')[0]
        if (token := _TOKEN.search(text)) and not re.search(r"^ +tags: ", parameters, re.MULTILINE):
            _, module, name = token[1].split(":")
            by_module[module].append(name)
    return _HEAD + "".join(f"{module} {' '.join(sorted(names))}\n" for module, names in by_module.items())


if __name__ == "__main__":
    _LIST.write_text(listing(), encoding="utf-8")
