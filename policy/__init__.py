"""The policy rules for every stack, checked before deployment by the Pulumi CLI or without it."""
