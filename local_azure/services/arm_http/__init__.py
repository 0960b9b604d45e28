"""ARM over HTTP, as Azure's SDKs ask for it: one module per service, and `routes` for the table of them."""
