"""Brings a Pulumi program up on local Azure where there is no Pulumi CLI; README.md says what it is not."""
