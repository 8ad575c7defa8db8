// The TypeScript SDK, pointed at nearkv, and the ids of the KvNamespaces.

import { createHash } from "node:crypto";

import Cloudflare from "cloudflare";

import { account, token, url } from "./world.js";

/** A client as a program makes it. No retries: what fails is to be seen. */
export const sdk = new Cloudflare({ baseURL: `${url}/client/v4`, apiToken: token, maxRetries: 0 });

/** The id of a KvNamespace: it follows from its name, so that it is the same in every cluster. */
export function namespaceId(name) {
  return createHash("sha256").update(`${account}/${name}`).digest("hex").slice(0, 32);
}

/** Everything of a paged list. */
export async function all(pages) {
  const found = [];
  for await (const item of pages) found.push(item);
  return found;
}

/** The status and the first error's code and message of a refusal. */
export async function refusal(call) {
  try {
    await call;
  } catch (error) {
    const [first] = error.errors ?? [];
    return first ? [error.status, first.code, first.message] : String(error);
  }
  return "no error";
}
