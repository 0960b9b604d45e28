"""One module per resource: parse the request, call the logic, build the response."""
