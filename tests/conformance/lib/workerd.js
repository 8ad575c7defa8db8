// Starts workerd with the Worker of worker/worker.js, its KV binding pointed at one KvNamespace.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

import { decode, encode } from "./wire.js";
import { account, url } from "./world.js";

const here = fileURLToPath(new URL("..", import.meta.url));

/**
 * A Worker whose binding `KV` is the KvNamespace `name`, until the end of the test file. The result runs functions in
 * it: `await worker(async (KV, key) => KV.get(key), "site_title")`. They see nothing but their arguments.
 */
export async function startWorker(name, server = url) {
  const folder = await mkdtemp(join(tmpdir(), "nearkv-workerd-"));
  await writeFile(join(folder, "config.capnp"), config(name, server));
  const workerd = spawn(
    createRequire(import.meta.url)("workerd").default,
    ["serve", join(folder, "config.capnp"), "--import-path", here, "--socket-addr", "http=127.0.0.1:0", "--control-fd=3", "--experimental"],
    { stdio: ["ignore", "inherit", "inherit", "pipe"] },
  );
  const ended = once(workerd, "exit");
  after(async () => {
    workerd.kill();
    await ended;
    await rm(folder, { recursive: true });
  });
  const port = await Promise.race([listening(workerd.stdio[3]), ended.then(() => null)]);
  if (port === null) throw new Error("workerd ended before it listened: its message is above");
  return (run, ...args) => ask(port, run, args);
}

/** What a caller of the binding sees when `run` fails, as JavaScript's own `String(error)`. */
export async function failure(worker, run, ...args) {
  try {
    await worker(run, ...args);
  } catch (error) {
    return String(error);
  }
  return "no error";
}

async function ask(port, run, args) {
  const answer = await fetch(`http://127.0.0.1:${port}/`, {
    method: "POST",
    body: JSON.stringify({ source: run.toString(), args: args.map(encode) }),
  });
  const { value, error } = await answer.json();
  if (error) throw Object.assign(new Error(error.message), { name: error.name });
  return decode(value);
}

/** The port of the line that workerd writes to its control pipe once it listens. */
async function listening(control) {
  for await (const line of createInterface({ input: control })) {
    const { event, port } = JSON.parse(line);
    if (event === "listen") return port;
  }
  return null;
}

function config(name, server) {
  const text = JSON.stringify;
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [
        (name = "worker/worker.js", esModule = embed "/worker/worker.js"),
        (name = "lib/wire.js", esModule = embed "/lib/wire.js"),
      ],
      compatibilityDate = "2026-08-01",
      bindings = [
        (name = "KV", kvNamespace = "kv"),
        (name = "EVAL", unsafeEval = void),
      ])),
    (name = "kv", external = (address = ${text(new URL(server).host)}, http = (
      injectRequestHeaders = [(name = "Nearkv-Namespace", value = ${text(`${account}/${name}`)})]))),
  ],
  sockets = [(name = "http", address = "*:0", http = (), service = "main")]
);
`;
}
