# Everything a person does with this repository; `make` alone explains itself.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup run call test lint bench screenshots lock clean
# After `su`, Debian leaves root a user's PATH, in which chroot, debootstrap and ldconfig are not found.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
LISTEN ?= 127.0.0.1
FROM ?=
TO ?=
NAME ?=

help: ## This list
	@echo 'Leadline. The targets, each of which sets up by itself what it needs:'
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo
	@echo 'make run     [LISTEN=192.0.2.10]   opens SIP, RTP and the panel to a network (default: 127.0.0.1 only)'
	@echo 'make call    FROM=+380501234567 TO=0441234567 [NAME="Іван Щусь"]'
	@echo 'make test    [TESTS="tests/lab -k busy"]'

setup: ## Debian packages, .venv with .venv/bin/leadline, a Debian tree with Asterisk: what tests and runs need
	@tools/setup test

run: ## A real Asterisk, the database, the server and the panel; prints logins and what to try; Ctrl+C ends all
	@tools/setup run && exec setpriv --pdeathsig TERM .venv/bin/leadline demo run --listen '$(subst ','\'',$(value LISTEN))'

call: ## While `make run` runs: a call from outside; simulated phones answer where no real one is registered
	@tools/setup run && exec .venv/bin/leadline demo call --from '$(subst ','\'',$(value FROM))' --to '$(subst ','\'',$(value TO))' --name '$(subst ','\'',$(value NAME))'

test: setup lint ## Every test, on real Asterisk, SIP, SQLite, PostgreSQL and Chromium; before them, lint
ifdef TESTS
	@.venv/bin/pytest $(TESTS)
else
	@.venv/bin/pytest -m 'not alone and not faults' -n 3 --dist loadfile
	@.venv/bin/pytest -m faults -n 2 --dist load
	@.venv/bin/pytest -m alone
endif

lint: ## ruff and mypy --strict
	@tools/setup venv
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

bench: ## What Leadline costs, each figure as a ratio within one run (docs/performance.md)
	@tools/setup bench && .venv/bin/python -m bench

screenshots: ## The pictures of the panel in docs/images, taken anew
	@tools/setup test && .venv/bin/python -m tools.screenshots

lock: ## Pin the newest allowed versions of all Python packages, with hashes, into requirements/*.txt
	@tools/setup venv
	@.venv/bin/python -m venv var/lock && var/lock/bin/pip install -q --disable-pip-version-check 'uv>=0.9'
	@for name in runtime dev; do \
	    var/lock/bin/uv pip compile -q --upgrade --universal --generate-hashes --custom-compile-command 'make lock' \
	        -p 3.11 requirements/$$name.in -o requirements/$$name.txt || exit; \
	done
	@rm -rf var/lock

.env: # Random secrets for docker-compose.yml
	@umask 077; for name in PBX_AMI_EVENTS_SECRET PBX_AMI_CONTROL_SECRET PBX_PHONE_101_SECRET PBX_PHONE_102_SECRET \
	    PBX_PHONE_103_SECRET POSTGRES_PASSWORD; do \
	    printf '%s=%s\n' $$name $$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n'); \
	done > $@.part && mv $@.part $@ && echo 'Wrote .env; the phones are 101 to 103 with the secrets in it.'

clean: ## Remove .venv, caches and var/ (the demonstration's database and secrets); keeps the Asterisk tree
	rm -rf .venv var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
