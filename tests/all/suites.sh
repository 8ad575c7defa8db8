# Sourced by tests/all.sh. Which suites there are, and the command of each.

# The checks, then the tests inside of the crates, then the test targets that cargo knows.
checks=(formatting lints dependencies release)

# Targets of the end-to-end tests that start no control plane: they run while it is built.
without_cluster=(command dev dev_conformance documents fuzz instructions kubectl_kv snapshots)

# find_suites: sets `suites`, `target`, and `kind_of`: `check`, `rust` (starts nothing that Go builds) or `cluster`.
find_suites() {
  local metadata name path targets
  metadata=$(cargo metadata --no-deps --format-version 1 --locked --offline)
  target=$(sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p' <<<"$metadata")
  asset_program=$target/debug/nearkv-test-assets
  declare -gA kind_of=([unit]=rust [doc]=rust [real_cluster]=cluster)
  for name in "${checks[@]}"; do kind_of[$name]=check; done
  targets=$(grep -o '"kind":\["test"\],"crate_types":\["bin"\],"name":"[^"]*","src_path":"[^"]*"' <<<"$metadata" |
    sed 's/.*"name":"\([^"]*\)","src_path":"\([^"]*\)"/\1 \2/' | sort)
  # Pods are mostly waited for: first, so that another suite has the cores meanwhile.
  suites=("${checks[@]}" real_cluster unit doc)
  while read -r name path; do
    kind_of[$name]=rust
    if [[ $path == "$PWD"/tests/tests/* ]] && ! is_in "$name" "${without_cluster[@]}"; then kind_of[$name]=cluster; fi
    is_in "$name" "${suites[@]}" || suites+=("$name")
  done <<<"$targets"
}

# is_in NAME NAME...: whether the first is one of the others.
is_in() {
  local name=$1
  shift
  [[ " $* " == *" $name "* ]]
}

# select_suites only|except NAME...
select_suites() {
  local mode=$1 suite kept=()
  shift
  for suite in "${suites[@]}"; do
    if is_in "$suite" "$@"; then
      [[ $mode == except ]] || kept+=("$suite")
    else
      [[ $mode == only ]] || kept+=("$suite")
    fi
  done
  suites=("${kept[@]}")
}

# chosen NAME...: those of them that were chosen.
chosen() {
  local name
  for name; do
    if is_in "$name" "${suites[@]}"; then echo "$name"; fi
  done
}

# suites_of KIND: those that were chosen.
suites_of() {
  local suite
  for suite in "${suites[@]}"; do
    if [[ ${kind_of[$suite]} == "$1" ]]; then echo "$suite"; fi
  done
}

# images_of SUITE...: the job that makes images, if one of the suites uses them.
images_of() {
  if is_in real_cluster "$@" || is_in release "$@"; then echo images; fi
}

# needs_compilation SUITE...: whether any is more than a check of the sources.
needs_compilation() { [[ -n $(suites_of rust)$(suites_of cluster)$(images_of "$@") ]]; }

# selectors NAME...: cargo's options for the targets of these suites.
selectors() {
  local name
  for name; do
    case $name in
      unit) echo --lib --bins ;;
      doc) echo --doc ;;
      *) echo --test "$name" ;;
    esac
  done
}

# The command of a suite or of a build. The whole workspace is named each time: with fewer packages cargo chooses fewer
# features of their dependencies, and compiles those once more.
command_of() {
  case $1 in
    build-of-assets) cargo build --locked --package nearkv-test-assets ;;
    formatting) cargo fmt --all --check ;;
    lints) cargo clippy --workspace --all-targets --locked -- -D warnings ;;
    dependencies) dependencies ;;
    compile) compile ;;
    images) images ;;
    release) release ;;
    *) NEARKV_TEST_IMAGES=$target/images/test cargo test --workspace --locked --no-fail-fast $(selectors "$1") ;;
  esac
}

# Not `advisories`: cargo-deny clones their database, and a run without that network, or on the day of a new advisory,
# would fail with no change of ours. `cargo deny check` looks at them too.
dependencies() {
  local cargo_deny
  cargo_deny=$("$asset_program" cargo-deny)
  "$cargo_deny" --locked check --hide-inclusion-graph licenses bans sources
}

compile() {
  local targets
  targets=$(suites_of rust && suites_of cluster)
  targets=$(selectors $(grep -vx doc <<<"$targets"))
  if [[ -n $targets ]]; then cargo test --workspace --locked --no-run $targets; fi
  cargo build --workspace --bins --locked
}

# The static release build, packed. Without those of an earlier run, which would pass for these if this fails.
images() {
  rm -rf "$target/images/test"
  "$target/debug/nearkv-images" --registry localhost --tag test --out "$target/images/test"
}

# The README's first command, with a state directory and ports of its own. The program of the image is there already, and runs
# the same development mode as `cargo run --release`.
release() {
  local state dev host
  state=$(mktemp -d)
  host=$(rustc -vV | sed -n 's/^host: //p')
  "$target/$host/dist/kubectl-kv" dev -f examples/blog --data "$state/.nearkv" \
    --listen 127.0.0.1:0 --region london=127.0.0.1:0 >"$state/log" 2>&1 &
  dev=$!
  for _ in {1..150}; do
    if grep -qx ready "$state/log" || ! kill -0 "$dev"; then break; fi
    sleep 0.2
  done
  kill "$dev"
  wait "$dev"
  cat "$state/log"
  grep -qx ready "$state/log"
  rm -r "$state"
}
