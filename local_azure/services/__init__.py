"""The processes and endpoints of local Azure: storage, sites, models, tokens and the gateway."""
