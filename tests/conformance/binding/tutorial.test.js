// The lines that people type first, as the tutorials of Workers KV have them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startWorker } from "../lib/workerd.js";

const worker = await startWorker("tutorial");

test("a value that was put is got", async () => {
  const value = await worker(async (KV) => {
    await KV.put("site_title", "My Awesome Blog");
    return KV.get("site_title");
  });
  assert.equal(value, "My Awesome Blog");
});

test("an object that was put as JSON is got with type json, in both spellings", async () => {
  const read = await worker(async (KV) => {
    await KV.put("user_1", JSON.stringify({ name: "Ada", admin: true }));
    return [await KV.get("user_1", { type: "json" }), await KV.get("user_1", "json")];
  });
  assert.deepEqual(read, [{ name: "Ada", admin: true }, { name: "Ada", admin: true }]);
});

test("a deleted key is null, and deleting it again is no error", async () => {
  const value = await worker(async (KV) => {
    await KV.put("draft", "text");
    await KV.delete("draft");
    await KV.delete("draft");
    return KV.get("draft");
  });
  assert.equal(value, null);
});

test("a list by prefix has the names, the metadata and the expirations, and is complete", async () => {
  const before = Math.floor(Date.now() / 1000);
  const list = await worker(async (KV) => {
    await KV.put("user_1", "Ada", { metadata: { plan: "pro" } });
    await KV.put("user_2", "Grace", { expirationTtl: 3600 });
    await KV.put("visitor_1", "nobody");
    return KV.list({ prefix: "user_" });
  });
  const expiration = list.keys[1]?.expiration;
  assert.deepEqual(list, {
    keys: [{ name: "user_1", metadata: { plan: "pro" } }, { name: "user_2", expiration }],
    list_complete: true,
    cacheStatus: null,
  });
  assert.ok(expiration >= before + 3600 && expiration <= before + 3660, `expires at ${expiration}, put after ${before}`);
});
