// Runs wrangler as a person would, pointed at nearkv by the variables it has for that, in a home of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

import { account, token, url } from "./world.js";

const PROGRAM = fileURLToPath(new URL("../node_modules/wrangler/bin/wrangler.js", import.meta.url));
const LOOPBACK = fileURLToPath(new URL("loopback.cjs", import.meta.url));

const home = await mkdtemp(join(tmpdir(), "nearkv-wrangler-"));
const escapes = join(home, "escapes");
after(() => rm(home, { recursive: true }));

// Wrangler asks npm for a newer version when a command fails, unless it has asked within the hour.
await mkdir(join(home, "update-check"));
await writeFile(join(home, "update-check", "wrangler-latest.json"), JSON.stringify({ latest: null, lastUpdate: Date.now() }));

const environment = {
  PATH: process.env.PATH,
  HOME: home,
  XDG_CONFIG_HOME: home,
  TMPDIR: home,
  CLOUDFLARE_API_BASE_URL: `${url}/client/v4`,
  CLOUDFLARE_API_TOKEN: token,
  CLOUDFLARE_ACCOUNT_ID: account,
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_WRITE_LOGS: "false",
  NODE_COMPILE_CACHE: join(home, "compiled"),
  NO_COLOR: "1",
  CI: "1",
  NODE_OPTIONS: `--require ${LOOPBACK}`,
  NEARKV_ESCAPES: escapes,
};

/** What `wrangler ...command` printed, and its exit code. */
export async function attempt(...command) {
  const wrangler = spawn(process.execPath, [PROGRAM, ...command], {
    cwd: home,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    buffer(wrangler.stdout),
    text(wrangler.stderr),
    once(wrangler, "close"),
  ]);
  if (existsSync(escapes)) throw new Error(`wrangler ${command.join(" ")} asked ${await readFile(escapes, "utf8")}`);
  return { code, stdout, stderr };
}

/** The standard output of a command that must succeed, as bytes. */
export async function wrangler(...command) {
  const { code, stdout, stderr } = await attempt(...command);
  if (code !== 0) throw new Error(`wrangler ${command.join(" ")} ended with ${code}:\n${stdout}\n${stderr}`);
  return stdout;
}

/** The output of a command that prints JSON. */
export async function wranglerJson(...command) {
  return JSON.parse(String(await wrangler(...command)));
}

/** A file for `--path` and the bulk commands, with these bytes or this value as JSON. */
export async function file(name, content) {
  const path = join(home, name);
  await writeFile(path, content instanceof Uint8Array ? content : JSON.stringify(content));
  return path;
}
