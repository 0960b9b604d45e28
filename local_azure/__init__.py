"""Local Azure: a stand-in for Azure on one laptop, driven by Pulumi's own provider protocol."""
