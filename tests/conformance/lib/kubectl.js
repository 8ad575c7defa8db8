// Runs nearkv's own command line, pointed at the same server.

import { spawnSync } from "node:child_process";

import { account, required, url } from "./world.js";

const PROGRAM = required("NEARKV_KUBECTL_KV");

/** The standard output of `kubectl-kv COMMAND` as bytes; `input` is its standard input. */
export function kubectlKv(command, given, input = Buffer.alloc(0)) {
  const where = ["--server", url, "--namespace", account];
  const { status, stdout, stderr, error } = spawnSync(PROGRAM, [command, ...where, ...given], {
    input,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`kubectl-kv ${command} ${given.join(" ")} ended with ${status}: ${error ?? stderr}`);
  return stdout;
}
