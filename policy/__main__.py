"""The command line `python -m policy …`, and the entry point of `--policy-pack policy`.

For a policy pack the Pulumi CLI runs this file by its path."""

import sys
from pathlib import Path

if __name__ == "__main__":
    if __package__ == "policy":
        from policy import cli

        sys.exit(cli.main(sys.argv[1:]))
    # When run by its path, this folder is first on sys.path, but policy and infra are in its parent folder.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from policy import pack

    pack.main()
