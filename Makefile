# The front door. Every target installs what it needs; nothing is built twice.
.PHONY: up down setup test check bench docs options lock

# Without compiled modules every start would compile the cloud SDKs anew.
unexport PYTHONDONTWRITEBYTECODE

SETUP := python3 -m sandbox.setup

up:        ## from a bare Debian machine to a green DAG run
	@$(SETUP) -- ./aerodrome up --env sandbox

down:      ## everything away, and the proof
	@$(SETUP) -- ./aerodrome down --env sandbox --with-branches

setup:     ## install and build what is missing, and only that
	@$(SETUP)

test: check  ## every test, end to end included
	@$(SETUP) --for-tests -- .ci/test

check:     ## style, types, import contracts, charts, shell scripts, workflows
	@$(SETUP) -- .ci/check

bench:     ## the figures of docs/performance.md, measured here and now
	@$(SETUP) -- .venv/bin/python -m tests.bench

docs:      ## what is generated from the program and the command line
	@$(SETUP) -- .ci/docs

options:   ## Airflow's own options, after a change of the image's lock
	@$(SETUP) -- .ci/airflow-options

lock:      ## the locks of every requirements.in, with the kit's own uv
	@$(SETUP) -- .ci/lock
