// What expires is gone from get, bulk get and list. On a KvNamespace that allows a time to live of one second, so that
// it can be waited for.

import assert from "node:assert/strict";
import { test } from "node:test";

import { failure, startWorker } from "../lib/workerd.js";

const worker = await startWorker("short-lived");

// An entry ends with a whole second of the clock, so up to one second of its time to live is not there.
test("a key with a time to live of a few seconds is there, and then gone from get, bulk get and list", async () => {
  const read = await worker(async (KV) => {
    await KV.put("token", "secret", { expirationTtl: 3 });
    await KV.put("kept", "v");
    const look = async () => ({
      get: await KV.get("token"),
      bulk: (await KV.get(["token", "kept"])).get("token"),
      list: (await KV.list()).keys.map((key) => key.name),
    });
    const first = await look();
    const deadline = Date.now() + 10_000;
    let last;
    do {
      last = await look();
    } while (last.get !== null && Date.now() < deadline);
    return { first, last: await look() };
  });
  assert.deepEqual(read, {
    first: { get: "secret", bulk: "secret", list: ["kept", "token"] },
    last: { get: null, bulk: null, list: ["kept"] },
  });
});

test("below the minimum of the KvNamespace the refusal names that minimum", async () => {
  const text = await failure(worker, (KV) => KV.put("token", "v", { expirationTtl: 0 }));
  assert.equal(text, "Error: KV PUT failed: 400 Invalid expiration_ttl of 0. Please specify integer greater than 0.");
});
