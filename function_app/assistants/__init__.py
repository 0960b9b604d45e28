"""The assistants API.

`routes/` parses requests and builds responses. The modules of this folder hold the rules and raise the domain
errors of errors.py; they know no HTTP. `tables/` reads and writes rows.
"""
