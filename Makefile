# `make` alone lists what there is. PYTHON names the interpreter that makes .venv: make setup PYTHON=python3.13
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The newest supported one that runs. A shim of pyenv runs only the selected version, hence the variable.
PYTHON ?= $(shell for v in 3.14 3.13 3.12 3.11; do PYENV_VERSION=$$v python$$v -c 'import sys; print(sys.executable)' \
	2>/dev/null && exit; done; command -v python3)
RUN := .venv/bin/python
CODE := __main__.py conftest.py infra delivery bootstrap function_app local_azure ops policy tests tools

# What runs here is this checkout, with what is installed in .venv.
unexport PYTHONPATH PYTHONSAFEPATH PYTHONHOME

# The stack tests start some thousand Python processes; without bytecode each compiles the modules that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup policy-setup pulumi browser local preview down test test-package ten check format settings lock package rollback bootstrap bootstrap-move screenshots bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## Install what is locked into .venv and node_modules (every other target does it too)
	@python="$(PYTHON)"; [ -n "$$python" ] || \
		{ echo "setup: no python3 on PATH: install Python 3.13 and run make again" >&2; exit 1; }; "$$python" tools/setup.py

browser: setup ## Install the Chromium that the tests of the chat page run (70 MB; Linux x86_64)
	@$(RUN) tools/setup.py --browser

policy-setup: setup ## Install what `pulumi --policy-pack policy` needs into policy/.venv
	@$(RUN) tools/setup.py --policy

pulumi: setup ## Make the Pulumi CLI available and print its path; where needed, install or build it (once; 6 minutes)
	@$(RUN) -m tools.pulumi.install

local: setup ## Bring the whole stack up on local Azure and create an assistant
	@$(RUN) -m ops local

preview: setup ## Show what `make local` would change, and what would be lost
	@$(RUN) -m local_azure exec -- $(RUN) -m ops preview --stack local

down: setup ## Take the local stack down and stop local Azure; its data goes with it
	@$(RUN) -m ops local --down

# Not reordered: the longest files have few tests, and would all come last. The package is built first,
# since every clone of a test copies its wheels, and would download them. `make -j 3 test` prepares side by side.
test: check browser policy-setup test-package ## Check the code and run the tests (ALL=1: local Azure's own, too, where it is unchanged)
	@tests="tests local_azure/tests"; unchanged=; \
	if [ -z "$(CI)$(ALL)" ] && base="$$(git merge-base HEAD origin/main 2>/dev/null)" && \
		git diff --quiet "$$base" -- local_azure requirements-dev.txt && \
		[ -z "$$(git ls-files --others --exclude-standard local_azure)" ]; then \
		tests=tests; unchanged="local_azure/ is as on origin/main, so its own tests were left out: make test ALL=1 runs them"; fi; \
	echo "make test: pytest $$tests"; \
	$(RUN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $$tests || exit; \
	if [ -n "$$unchanged" ]; then echo "make test: $$unchanged"; fi

test-package: setup
	@$(RUN) -m infra.package >/dev/null
	@$(RUN) -m infra.package --python 3.12 --out .build/test/python3.12.zip >/dev/null

ten: setup ## Ten test stacks at once on one local Azure, up and down
	@TEST_STACKS=10 $(RUN) -m pytest tests/stack/test_environments.py -k side_by_side --durations=0

check: setup ## ruff, pyright, and the workflows by check-jsonschema and zizmor
	@$(RUN) -m ruff check $(CODE)
	@$(RUN) -m ruff format --check $(CODE)
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(RUN) -m pyright
	@$(RUN) -m check_jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(RUN) -m check_jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@$(RUN) -m check_jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@.venv/bin/zizmor --quiet --offline --persona auditor .github

format: setup ## Format the code and fix what ruff can fix
	@$(RUN) -m ruff check --fix $(CODE)
	@$(RUN) -m ruff format $(CODE)

settings: setup ## Write Pulumi.yaml's config and docs/settings.md, and the policy's list of types without tags
	@$(RUN) -m infra.settings.generate
	@$(RUN) -m policy.types_without_tags

lock: setup ## Write the lock files from the .in files
	@for l in requirements requirements-dev function_app/requirements policy/requirements tools/pulumi/go/requirements; do \
		digest="$$($(RUN) -m delivery.lock $$l.in)" && \
		$(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-emit-find-links --output-file $$l.txt \
			--custom-compile-command "make lock (from $$l.in, sha256 $$digest)" $$l.in || exit 1; done

package: setup ## Build the zip that Azure gets
	@$(RUN) -m infra.package

rollback: setup ## Deploy the previous good package again: make rollback STACK=prod [TO=hash]
	@$(RUN) -m ops rollback --stack "$(STACK)" $(if $(TO),--to "$(TO)")

bootstrap: setup ## Make what the pipelines stand on: state container, key, identities (bootstrap/)
	@$(RUN) -m bootstrap up

bootstrap-move: setup ## Move the bootstrap's own state into the container that it made
	@$(RUN) -m bootstrap move

screenshots: browser ## Write screenshots of the chat page to .build/screenshots
	@PYTHONPATH=function_app $(RUN) -m tests.screenshots

bench: setup ## Print the figures of CONTRIBUTING.md
	@$(RUN) -m tests.bench

clean: ## Stop local Azure and remove everything that was made here
	@if [ -x $(RUN) ] && [ -d .local ]; then $(RUN) -m local_azure reset --yes; fi
	@for path in .venv policy/.venv .build .local local_azure/node_modules function_app/assistants/routes/chat_page/node_modules tests/browser/node_modules .setup.lock .pytest_cache .ruff_cache .hypothesis; do \
		[ -e "$$path" ] || continue; \
		echo "make clean: removing $$path" >&2; rm -rf "$$path" || exit 1; \
	done
	@find . -name __pycache__ -not -path "*/.venv/*" -prune -exec rm -rf {} +
