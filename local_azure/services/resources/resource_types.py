"""Microsoft.Resources: resource groups."""

from local_azure.core.known_types import known
from local_azure.core.resource import Behaviour

TYPES = (known("resources:ResourceGroup", Behaviour()),)
