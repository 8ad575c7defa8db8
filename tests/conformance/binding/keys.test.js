// Keys through the binding: each one is its own key in put, get and delete, whatever it looks like on the way.

import assert from "node:assert/strict";
import { test } from "node:test";

import { keys, nul, sorted } from "../lib/keys.js";
import { startWorker } from "../lib/workerd.js";

const worker = await startWorker("binding-keys");
const all = [...keys, nul];

test("keys with every special character are put, got, listed and deleted as themselves", async () => {
  const read = await worker(async (KV, all) => {
    for (const [i, key] of all.entries()) await KV.put(key, `value of ${key}`, { metadata: { i } });
    const got = [];
    for (const key of all) {
      const { value, metadata } = await KV.getWithMetadata(key);
      got.push([key, value, metadata]);
    }
    return { got, listed: (await KV.list()).keys };
  }, all);
  assert.deepEqual(read.got, all.map((key, i) => [key, `value of ${key}`, { i }]));
  assert.deepEqual(read.listed, sorted(all).map((name) => ({ name, metadata: { i: all.indexOf(name) } })));

  const left = await worker(async (KV, all) => {
    const left = [];
    for (const key of all) {
      await KV.delete(key);
      left.push(await KV.get(key));
    }
    return { left, listed: (await KV.list()).keys };
  }, all);
  assert.deepEqual(left, { left: all.map(() => null), listed: [] });
});

test("delete of an array is delete of its text, as the binding has it", async () => {
  const read = await worker(async (KV) => {
    await KV.put("a,b", "v");
    await KV.put("a", "v");
    await KV.delete(["a", "b"]);
    const read = [await KV.get("a,b"), await KV.get("a")];
    await KV.delete("a");
    return read;
  });
  assert.deepEqual(read, [null, "v"]);
});
