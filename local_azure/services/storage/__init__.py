"""Storage accounts: an Azurite for each, behind a proxy with the checks that Azurite lacks."""
