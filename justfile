# Every recipe but `deny` is a command line that .ci/run also runs; change both together.
set shell := ["bash", "-euo", "pipefail", "-c"]

# List the recipes.
default:
    @just --list

# Everything a change must pass.
ci:
    .ci/run

# Check the formatting.
fmt:
    cargo fmt --all --check

# Look for registry hosts and machine paths in tracked files.
tidy:
    found=0; git grep -nIE "/wor[k]/|index-ur[l]|sparse[+]http" || found=$?; test "$found" -eq 1

# Compare the files that opt into unsafe code with the committed list, then print it.
unsafe-list:
    grep -rlw unsafe_code --include="*.rs" --include=Cargo.toml --exclude-dir=target */ | LC_ALL=C sort | diff -u doors/unsafe-files.txt -
    cat doors/unsafe-files.txt

# Run clippy with warnings as errors.
lint:
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# Run all tests.
test:
    cargo test --workspace --locked

# Run the demonstration of the `doors` command.
demo:
    cargo run --release --bin doors --locked -- demo

# Build the documentation with warnings as errors.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Count the loom models, then run them.
loom:
    RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p doors --release --lib --locked loom -- --list | grep -c ": test$"
    RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p doors --release --lib --locked loom

# Check licences, advisories and sources of the dependencies, if cargo-deny is installed.
deny:
    if command -v cargo-deny; then cargo deny --locked check; else echo "skipped: cargo-deny is not installed"; fi

# Measure what must hold, beside a unix stream in the same run; fails on a miss. Nothing else should be running.
figures:
    cargo run --release --bin figures --locked
