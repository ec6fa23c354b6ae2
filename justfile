# Every recipe but `deny`, `bench`, `bench-in-process`, `figures`, `peers`, `compile-time` and `aarch64` is a command line that .ci/run also runs; change both together.
# There the tests must find strace.
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

# Run clippy with warnings as errors, once more on the library without its features.
lint:
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
    cargo clippy -p doors --no-default-features --locked -- -D warnings

# Run all tests.
test:
    cargo test --workspace --locked

# Run each measurement of what runs in one process once.
bench-once:
    cargo test --workspace --locked --bench area --bench channel --bench in_process --bench values

# Run what waits once more, on one processor.
one-processor:
    taskset -c "$(taskset -cp $$ | sed "s/.*: //; s/[,-].*//")" cargo test --workspace --locked --test contacts --test gears --test steady --test waits

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

# Measure everything, beside the floors; takes some 25 minutes, or one with --quick. Nothing else should be running.
bench *ARGUMENTS:
    cargo run --release --bin doors --locked -- bench {{ARGUMENTS}}

# Measure what runs in one process.
bench-in-process:
    cargo bench -p doors-benches --locked

# Measure what must be reached, beside the floors and then beside iceoryx2 (of `benches/peers`, which is built when it is
# needed); fails on a miss. All of it is the output, so that `just figures >benches/FIGURES.txt` is a record; the last line
# counts the verdicts of both parts. Takes some 25 minutes. `just figures null mt` is about these works only. Nothing else should be running.
figures *works:
    #!/usr/bin/env bash
    set -uo pipefail
    missed=0
    parts=$(mktemp)
    trap 'rm -f "$parts"' EXIT
    cargo run --release --bin figures --locked -- {{works}} | tee -a "$parts" || missed=1
    names="{{works}}"
    names=${names/--quick/}
    if [[ -z ${names// /} || " $names " == *" null "* || " $names " == *" echo "* ]]; then
        echo
        (cd benches/peers && cargo run --release --locked -- --limits {{works}}) | tee -a "$parts" || missed=1
    fi
    echo
    awk '/^[0-9]+ held, / { held += $1; bound += $3; missed += $8; unseen += $10; parts++ }
        END { print "In all: " held + 0 " held, " bound + 0 " bound by their floors, " missed + 0 " missed; " unseen + 0 " not seen; " parts + 0 " parts" }' "$parts"
    exit $missed

# Measure other systems for procedure calls beside doors; builds a workspace of its own first. Fails if a limit that is
# about them is missed. Nothing else should be running.
[working-directory: 'benches/peers']
peers *ARGUMENTS:
    cargo run --release --locked -- {{ARGUMENTS}}

# The same, written to benches/RESULTS.md, which no quick look is; takes some 25 minutes and a build.
results *ARGUMENTS:
    just peers --markdown ../RESULTS.md {{ARGUMENTS}}

# How long the code takes to compile that `#[door]` makes of a trait: the example hello beside the example bytes, which has no such
# trait, with everything built before that they need. Nothing else should be running.
compile-time:
    #!/usr/bin/env bash
    set -euo pipefail
    export CARGO_TARGET_DIR=target/compile-time CARGO_INCREMENTAL=0
    cargo build -q -p doors-examples --bin hello --bin bytes --locked
    for round in {1..7}; do
        for example in hello bytes; do
            touch examples/$example.rs
            begun=${EPOCHREALTIME/./}
            cargo build -q -p doors-examples --bin $example --locked
            echo "$example $(((${EPOCHREALTIME/./} - begun) / 1000))"
        done
    done | sort -k1,1 -k2,2n | awk '{ times[$1] = times[$1] " " $2; if (++count[$1] == 4) median[$1] = $2 }
        END { for (example in times) print example ":" times[example] " ms, median " median[example]
              print "hello takes " median["hello"] - median["bytes"] " ms more than bytes" }'

# Check everything for aarch64, run the unit tests there, call between two processes. Without such a machine it takes
# `rustup target add aarch64-unknown-linux-gnu` and Debian's gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user.
aarch64:
    #!/usr/bin/env bash
    set -euo pipefail
    target=aarch64-unknown-linux-gnu
    if [[ $(uname -m) == aarch64 ]]; then
        run=(env)
    else
        run=(qemu-aarch64 -L /usr/aarch64-linux-gnu)
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="${run[*]}"
    fi
    export CARGO_TARGET_DIR=target/aarch64
    cargo clippy --workspace --all-targets --all-features --target $target --locked -- -D warnings
    cargo test -p doors --lib --target $target --locked
    cargo build -p doors-cli --target $target --locked
    # The emulator cannot start a program of its own kind by exec, so the tests that start processes are out; a server
    # that starts commands of this machine is not.
    doors=("${run[@]}" "$CARGO_TARGET_DIR/$target/debug/doors")
    directory=$(mktemp -d)
    trap 'kill "$server" && wait "$server" || true; rm -rf "$directory"' EXIT
    "${doors[@]}" serve "$directory/door" -- sh -c 'cat - /dev/fd/3' &
    server=$!
    until [[ -S $directory/door ]]; do sleep 0.1; done
    # One packet, then a session with windows that grow; a descriptor each.
    for bytes in 10 5000000; do
        head -c $bytes /dev/urandom >"$directory/data"
        "${doors[@]}" call "$directory/door" --file "$directory/data" --fd justfile >"$directory/answer"
        cat "$directory/data" justfile | cmp - "$directory/answer"
        echo "$bytes bytes and a descriptor went there and back"
    done
