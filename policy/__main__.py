"""`python -m policy …`, and what the Pulumi CLI runs for `--policy-pack policy`: this file, by its path."""

import sys
from pathlib import Path

if __name__ == "__main__":
    if __package__ == "policy":
        from policy import cli

        sys.exit(cli.main(sys.argv[1:]))
    # By its path, the folder itself is first on the import path; policy and infra are in the one above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from policy import pack

    pack.main()
