"""Storage accounts: one Azurite each, and in front of it what Azure checks and Azurite does not."""
