"""The syntax errors of Python sources.

Another Python runs this file as a script, so it imports only the standard library.
"""

import json
import sys
import warnings

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def syntax_problems(sources: dict[str, str]) -> list[tuple[str, int, str, str]]:
    """File name, line, message and text of each file that cannot be compiled.

    `sources`: the bytes of each file as Latin-1 text, since a source may declare its own encoding.
    """
    problems: list[tuple[str, int, str, str]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, source in sources.items():
            try:
                compile(source.encode("latin-1"), name, "exec", dont_inherit=True)
            except SyntaxError as error:
                problems.append((name, error.lineno or 1, error.msg, (error.text or "").strip()))
            except ValueError as error:
                problems.append((name, 1, str(error), ""))
    return problems


if __name__ == "__main__":
    sys.stdout.write(json.dumps(syntax_problems(json.load(sys.stdin))))
