# Targets for people and for CI. Every one works from a clean checkout on Debian
# with Go.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath

ARGS ?=
FUZZTIME ?= 60s
CASES ?= 10000000
KEYS ?= 1000000
SUBJECTS ?= 10000000
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4

.PHONY: build run test check unit clients conformance model tools bench scale fuzz soak clean

build: ## build bin/coffer, and bin/coffer-pkcs11 if there is a C compiler
	go build -o bin/coffer ./cmd/coffer
	@if command -v "$$(go env CC)" >/dev/null; then \
		echo "CGO_ENABLED=1 go build -o bin/coffer-pkcs11 ./cmd/coffer-pkcs11"; \
		CGO_ENABLED=1 go build -o bin/coffer-pkcs11 ./cmd/coffer-pkcs11; \
	else \
		echo "bin/coffer-pkcs11 is left out: there is no C compiler. Only roots in an HSM need it."; \
	fi

run: build ## build and serve on ./coffer-data; ARGS passes flags
	./bin/coffer serve --data ./coffer-data $(ARGS)

test: clients check conformance ## everything, installing what the tests need

check: tools unit ## formatting, vet, staticcheck, known vulnerabilities, race tests, clean tree
	@test -z "$$(gofmt -l cmd internal conformance)" || { gofmt -l cmd internal conformance; echo "these files are not gofmt'ed"; exit 1; }
	go vet ./...
	CGO_ENABLED=1 go vet ./cmd/coffer-pkcs11
	./bin/tools/staticcheck ./...
	CGO_ENABLED=1 ./bin/tools/staticcheck ./cmd/coffer-pkcs11
	scripts/govulncheck.sh
	go generate ./...
	@if [ -d .git ]; then test -z "$$(git status --porcelain)" || { git status --porcelain; echo "the work tree is not clean"; exit 1; }; fi

unit: ## race tests of every package
	CGO_ENABLED=1 go test -race -timeout 15m ./internal/...

conformance: build ## the built program, with real clients and real faults
	go test -count=1 -timeout 20m ./conformance/...

tools:
	@mkdir -p bin/tools
	@test -x bin/tools/staticcheck || GOBIN=$(CURDIR)/bin/tools go install $(STATICCHECK)

clients: ## install the programs that the conformance tests drive
	scripts/install-clients.sh

model: ## every interleaving of an epoch change, within the wider bounds: minutes, 4 GiB
	COFFER_MODEL=full go test -v -count=1 -timeout 2h -run '^TestModel' ./conformance/

bench: build ## the performance table of docs/performance.md
	./bin/coffer bench --table --server ./bin/coffer $(ARGS)

scale: ## a million keys, KEYS and SUBJECTS say how many: memory, cold use, shreds
	go test -count=1 -timeout 0 -run '^TestScale$$' -v ./internal/key -scale.keys $(KEYS) -scale.subjects $(SUBJECTS)

fuzz: ## every fuzz test for FUZZTIME each, and CASES random decisions compared
	scripts/fuzz.sh $(FUZZTIME)
	GOGC=400 go test -v -count=1 -timeout 0 -run '^TestDifferential$$' ./internal/policy -cases $(CASES)

soak: build ## kill, fill and cut for a long time
	COFFER_SOAK=1 go test -count=1 -timeout 4h -run 'Kill|Power|Disk' ./conformance/...

clean:
	rm -rf bin
