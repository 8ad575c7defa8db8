#!/usr/bin/env bash
# kubectl_complete-kv: on the PATH and executable, it makes kubectl complete `kubectl kv`. kubectl hands it the words behind
# `kv`, the last of which is being typed, and reads candidates and a directive: 4 is no files, 0 the shell's own.
source <(kubectl-kv completion bash)
COMP_WORDS=(kubectl-kv "$@")
COMP_CWORD=$#
complete_kv=$(complete -p kubectl-kv | sed 's/.*-F \([^ ]*\).*/\1/')
"$complete_kv" kubectl-kv "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
if [[ ${#COMPREPLY[@]} -gt 0 ]]; then
  printf '%s\n' "${COMPREPLY[@]}" :4
else
  echo :0
fi
