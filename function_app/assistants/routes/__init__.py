"""One module per route: parse the request, call the logic, answer in HTTP."""
