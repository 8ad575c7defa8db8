#!/usr/bin/env bash
# Runs every check and every test of nearkv, the real cluster included: `bash tests/all.sh --help`.
#
# Order: options, then what the machine lacks (all/needs.sh), then builds side by side, then the suites (all/suites.sh) as
# jobs (all/jobs.sh), whatever fails before, then one summary. The last line is alone: "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

# Most suites wait about half of the time, for control planes, pods and times to live.
jobs_at_once=2

usage() {
  cat <<'TEXT'
Usage: bash tests/all.sh [--jobs N] [--only SUITE... | --except SUITE...]
       bash tests/all.sh --list

Runs every check and every test. Before it compiles anything it looks for what they need. As root it installs missing
Debian packages; otherwise it prints what to install, and exits with status 2.

  --only SUITE...    Runs these suites only, with what they need
  --except SUITE...  Runs all suites but these
  --jobs N           Number of suites that run at once (default: 2)
  --list             Prints the names of the suites

The output of each suite is in the folder `all` of cargo's target folder. The exit status is 1 if anything failed.
TEXT
}

# stop LINE...: nothing was compiled yet.
stop() {
  printf 'tests/all.sh: %s\n' "$@" >&2
  exit 2
}

if ((BASH_VERSINFO[0] < 5)); then
  stop "bash is $BASH_VERSION: install bash 5.0 or newer"
fi
. tests/all/needs.sh
. tests/all/suites.sh
. tests/all/jobs.sh

mode=all named=()
while (($#)); do
  case $1 in
    --help | -h) usage && exit ;;
    --list | --only | --except) mode=${1#--} ;;
    --jobs)
      [[ ${2-} =~ ^[1-9][0-9]*$ ]] || stop "--jobs takes a number of suites that run at once"
      jobs_at_once=$2
      shift
      ;;
    -*) stop "unknown option $1; see bash tests/all.sh --help" ;;
    *) named+=("$1") ;;
  esac
  shift
done

need_rust
find_suites
for name in ${named[@]+"${named[@]}"}; do
  is_in "$name" "${suites[@]}" || stop "there is no suite $name; there are: ${suites[*]}"
done
case $mode in
  list) printf '%s\n' "${suites[@]}" && exit ;;
  only | except)
    ((${#named[@]})) || stop "--$mode takes names of suites; bash tests/all.sh --list prints them"
    select_suites "$mode" "${named[@]}"
    ;;
  all) ((${#named[@]} == 0)) || stop "name suites after --only or --except" ;;
esac
needs "${suites[@]}"

begin_jobs "$target/all"
printf 'tests/all.sh: %d suites, %d at once; their output is in %s\n' "${#suites[@]}" "$jobs_at_once" "$results"

# What Go builds and what is downloaded, while Rust compiles. At low priority, since it is needed last.
if ((${#assets[@]})); then
  run 1 build-of-assets
  start assets nice -n 10 "$asset_program" "${assets[@]}"
fi

run 1 $(chosen formatting lints dependencies)
if needs_compilation "${suites[@]}"; then
  run 1 compile
fi
if ! has_failed compile; then
  run "$jobs_at_once" $(images_of "${suites[@]}") $(suites_of rust)
  reap assets
  run "$jobs_at_once" $(chosen release) $(suites_of cluster)
fi
reap assets
summarize
