# Any Python from 3.11 on will do to start; it finds the others itself.
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3 \
	"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; \
	done)
DEV = $(if $(PYTHON),"$(PYTHON)" tools/dev.py,$(error No Python 3.11 or later was found))

.PHONY: help test test-matrix check docs release demo bench bench-faults soak fuzz clean

help:
	@echo 'make test    everything, on every Python found (some minutes)'
	@echo 'make test-matrix  the same, and all of it with every ansible-core found (half an hour)'
	@echo 'make check   format, lint, types and unit tests on one Python (for while you work)'
	@echo 'make docs    make the documentation site: .build/docs/index.html'
	@echo 'make release VERSION=1.2.3   a release, up to the upload: docs/releasing.md'
	@echo 'make demo    see the collection at work on this machine, between registries or folders'
	@echo 'make bench   measure it beside other tools (about 20 minutes; QUICK=1, ROUNDS=5, ONLY=many-small,growth)'
	@echo 'make bench-faults   what becomes of an image when something goes wrong, beside skopeo (a few minutes)'
	@echo 'make soak    thousands of images, faults at random, two runs at once (minutes; SEED=1, IMAGES=2000)'
	@echo 'make fuzz    more of what servers and files may hold than make test tries (minutes; EXAMPLES=2000, SEED=1)'
	@echo 'make clean   remove .build/, where the others put all they make'

test:
	@$(DEV) test

test-matrix:
	@$(DEV) test-matrix

check:
	@$(DEV) check

docs:
	@$(DEV) docs

release:
	@$(DEV) release "$(VERSION)"

demo:
	@$(DEV) demo

bench:
	@$(DEV) bench $(if $(ONLY),--only $(ONLY)) $(if $(TOOLS),--tools $(TOOLS)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(QUICK),--quick)

bench-faults:
	@$(DEV) bench-faults

soak:
	@$(DEV) soak $(if $(SEED),--seed $(SEED)) $(if $(IMAGES),--images $(IMAGES))

fuzz:
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),2000) $(DEV) run python -m pytest tests/unit/fuzz -q -n 2 $(if $(SEED),--hypothesis-seed=$(SEED))

clean:
	rm -rf .build
