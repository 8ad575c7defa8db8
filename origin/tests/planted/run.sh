#!/usr/bin/env bash
# Plants one bug after the other in a copy of the committed state, runs the simulated histories over CI's seeds, and
# expects each to fail. Outside of CI: every bug is a build of its own, a few minutes each.
#
#   origin/tests/planted/run.sh             all of them
#   origin/tests/planted/run.sh 04 18       those whose names begin so
set -euo pipefail
cd "$(git -C "$(dirname "$0")" rev-parse --show-toplevel)"

most_seconds=60 # A bug that takes longer is found by too thin a margin.
patches=$PWD/origin/tests/planted
scratch=$PWD/target/planted
export CARGO_TARGET_DIR=$PWD/target/planted-build

chosen() {
  if [ $# -eq 0 ]; then ls "$patches"/*.patch; else for name in "$@"; do ls "$patches/$name"*.patch; done; fi
}

git worktree remove --force "$scratch" 2>/dev/null || true
git worktree add --quiet --detach "$scratch" HEAD
trap 'git worktree remove --force "$scratch"' EXIT

missed=0
for patch in $(chosen "$@"); do
  name=$(basename "$patch" .patch)
  git -C "$scratch" apply "$patch"
  if ! (cd "$scratch" && cargo test -p nearkv-origin --test simulation --locked --no-run) >"$CARGO_TARGET_DIR.log" 2>&1; then
    cat "$CARGO_TARGET_DIR.log"
    echo "$name does not compile" >&2
    exit 1
  fi
  started=$SECONDS
  outcome=0
  (cd "$scratch" && NEARKV_STOP=1 timeout "$most_seconds" cargo test -p nearkv-origin --test simulation --locked \
    every_promise -- --nocapture) >"$CARGO_TARGET_DIR.log" 2>&1 || outcome=$?
  case $outcome in
    0) found="MISSED" && missed=1 ;;
    124) found="MISSED: not told within $most_seconds s" && missed=1 ;;
    *) found=$(grep -m1 -E '^seed [0-9]+:' "$CARGO_TARGET_DIR.log" || echo "no seed was named") ;;
  esac
  printf '%-52s %3d s  %s\n' "$name" $((SECONDS - started)) "$found"
  git -C "$scratch" checkout --quiet .
done
exit "$missed"
