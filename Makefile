# `make test` is the test command: it needs Rust, a C and a C++ compiler, and no root.

FUZZ_SECONDS ?= 10
export FUZZ_SECONDS

.PHONY: all test bench compare fleet failover fuzz docker peers

all:
	cargo build --release --locked

# Everything: formatting, lints, tests, fuzz targets for a bounded time, a small comparison, the container image.
test:
	@tests/run

# answer() in nanoseconds, in process.
bench:
	cargo bench --locked --bench answer

# Catchment beside NSD, Knot and BIND: see docs/benchmarking.md. COMPARE='--sets small --rounds 5'
compare: peers
	cargo bench --locked --bench compare -- $(COMPARE)

# One changed zone of 10,000 brought to 20 nodes, beside Knot: see docs/benchmarking.md. FLEET='--zones 1000 --changes 3'
fleet: peers
	cargo bench --locked --bench fleet -- $(FLEET)

# How long the service address is dark when something breaks, behind each router: writes docs/failover.md. Needs root.
failover: peers
	cargo test --release --locked --test failover -- --write $(FAILOVER)

# Each fuzz target for FUZZ_SECONDS.
fuzz:
	fuzz/run $(FUZZ_SECONDS)

# The container image, built and run on the local Docker engine.
docker:
	tests/docker/run

# Finds NSD, Knot, BIND, dig, ldns' tools, Unbound, BIRD, FRR, GoBGP and ExaBGP, or unpacks them under target/peers.
peers:
	tests/peers/fetch
