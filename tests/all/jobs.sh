# Sourced by tests/all.sh. Jobs in the background, each with its output in a file; what they came to, and the summary.

# begin_jobs FOLDER: where their output goes.
begin_jobs() {
  results=$1
  rm -rf "$results"
  mkdir -p "$results"
  declare -gA pid_of=() status_of=() took=()
  ended=() total_passed=0 total_failed=0 total_skipped=0
  trap end_jobs EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# Those that still run, with all that they have started.
end_jobs() {
  local pid
  for pid in "${pid_of[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
}

# start NAME COMMAND...: as a job, in a process group of its own.
start() {
  local name=$1
  shift
  set -m
  (
    set +e
    began=$EPOCHSECONDS
    (set -e && "$@")
    echo "$? $((EPOCHSECONDS - began))" >"$results/$name.end"
  ) </dev/null >"$results/$name.log" 2>&1 &
  set +m
  pid_of[$name]=$!
}

# reap NAME: waits for its end, if it runs, and reports it.
reap() {
  local name=$1
  [[ -n ${pid_of[$name]-} ]] || return 0
  [[ -e $results/$name.end ]] || printf '...   waiting for %s, see %s\n' "$name" "$results/$name.log"
  wait "${pid_of[$name]}" || true
  report "$name"
}

# run N NAME...: the commands of these, N at once, in this order; returns when all have ended.
run() {
  local at_once=$1 name running=()
  shift
  for name; do
    if ((${#running[@]} == at_once)); then reap_first "${running[@]}"; fi
    start "$name" command_of "$name"
    running+=("$name")
  done
  while ((${#running[@]})); do reap_first "${running[@]}"; done
}

# reap_first NAME...: waits until one of them has ended, reports it, and takes it off the caller's `running`.
reap_first() {
  local name pids=()
  for name; do pids+=("${pid_of[$name]}"); done
  wait -n "${pids[@]}" || true
  running=()
  for name; do
    if kill -0 "${pid_of[$name]}" 2>/dev/null; then running+=("$name"); else report "$name"; fi
  done
}

# A build or a check has no tests. A suite that fails without a failed test counts as one, as does one that ran none.
report() {
  local name=$1 status seconds passed failed skipped lines word=ok counts=
  unset "pid_of[$name]"
  read -r status seconds <"$results/$name.end" || status=killed seconds=0
  read -r lines passed failed skipped < <(awk '/^test result: / { n++; passed += $4; failed += $6; skipped += $8 }
    END { print n + 0, passed + 0, failed + 0, skipped + 0 }' "$results/$name.log")
  if [[ -n ${kind_of[$name]-} && ${kind_of[$name]} != check && $lines == 0 && $status == 0 ]]; then status=no-tests; fi
  if [[ $status != 0 && $failed == 0 ]]; then failed=1; fi
  total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed))
  total_skipped=$((total_skipped + skipped))
  if ((lines)); then counts=", $passed passed, $failed failed"; fi
  [[ $status == 0 ]] || word=FAIL
  status_of[$name]=$status took[$name]=$seconds
  ended+=("$name")
  printf '%-4s  %s, %d s%s\n' "$word" "$name" "$seconds" "$counts"
  if [[ $status != 0 ]]; then
    sed 's/^/      | /' "$results/$name.log"
  fi
}

has_failed() { [[ ${status_of[$1]-0} != 0 ]]; }

# The runners' own lines, and the sum of them alone on the last line.
summarize() {
  local name skipped=
  printf '\n=== %d s\n' "$SECONDS"
  for name in "${ended[@]}"; do
    if has_failed "$name"; then
      printf '%s, %d s: failed (%s), see %s\n' "$name" "${took[$name]}" "${status_of[$name]}" "$results/$name.log"
    else
      printf '%s, %d s\n' "$name" "${took[$name]}"
    fi
    grep '^test result: ' "$results/$name.log" || true
  done
  if ((total_skipped)); then skipped=", $total_skipped skipped"; fi
  printf '\n%d passed, %d failed%s\n' "$total_passed" "$total_failed" "$skipped"
  ((total_failed == 0))
}
