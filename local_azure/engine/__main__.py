import sys

from local_azure.engine.cli import main

sys.exit(main())
