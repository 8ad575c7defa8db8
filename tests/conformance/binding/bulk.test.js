// get and getWithMetadata of many keys at once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { keys, nul } from "../lib/keys.js";
import { startWorker } from "../lib/workerd.js";

const worker = await startWorker("binding-bulk");

await worker(async (KV) => {
  await KV.put("text", "hello");
  await KV.put("json", '{"n":1}', { metadata: { kind: "object" } });
  await KV.put("falsy", "0");
  await KV.put("empty", "");
});

test("many keys are a Map in the order they were asked for, with null for what is absent", async () => {
  const read = await worker((KV) => KV.get(["json", "absent", "text", "empty"]));
  assert.deepEqual([...read], [["json", '{"n":1}'], ["absent", null], ["text", "hello"], ["empty", ""]]);
});

test("many keys with type json are parsed, falsy values too", async () => {
  const read = await worker((KV) => KV.get(["json", "falsy", "absent"], { type: "json" }));
  assert.deepEqual([...read], [["json", { n: 1 }], ["falsy", 0], ["absent", null]]);
});

test("many keys with metadata have value and metadata each", async () => {
  const read = await worker(async (KV) => [
    await KV.getWithMetadata(["json", "text", "absent"]),
    await KV.getWithMetadata(["json", "empty"], { type: "text", cacheTtl: 60 }),
    await KV.getWithMetadata(["json"], "json"),
  ]);
  const kind = { kind: "object" };
  assert.deepEqual(read.map((map) => [...map]), [
    [["json", { value: '{"n":1}', metadata: kind }], ["text", { value: "hello", metadata: null }], ["absent", null]],
    [["json", { value: '{"n":1}', metadata: kind }], ["empty", { value: "", metadata: null }]],
    [["json", { value: { n: 1 }, metadata: kind }]],
  ]);
});

test("one hundred keys are got at once, and a key asked for twice is there once", async () => {
  const names = Array.from({ length: 100 }, (_, i) => `hundred-${i}`);
  const read = await worker(async (KV, names) => {
    await Promise.all(names.map((name, i) => KV.put(name, String(i))));
    return [await KV.get(names), await KV.get(["text", "text"])];
  }, names);
  assert.deepEqual([...read[0]], names.map((name, i) => [name, String(i)]));
  assert.deepEqual([...read[1]], [["text", "hello"]]);
});

test("a bulk get shows what was just written and deleted", async () => {
  const read = await worker(async (KV) => {
    await KV.put("fresh", "1");
    const first = await KV.get(["fresh", "text"]);
    await KV.put("fresh", "2");
    const second = await KV.get(["fresh"]);
    await KV.delete("fresh");
    return [first, second, await KV.get(["fresh"])];
  });
  assert.deepEqual(read.map((map) => map.get("fresh")), ["1", "2", null]);
});

test("every key that the binding does not drop is got with all the others", async () => {
  const wanted = [...keys, nul];
  const read = await worker(async (KV, wanted) => {
    for (const key of wanted) await KV.put(key, `value of ${key}`);
    return KV.get(wanted);
  }, wanted);
  // workerd makes a Map of the answer's members and skips those that are indices of an array.
  const dropped = ["0", "123"];
  const expected = wanted.filter((key) => !dropped.includes(key)).map((key) => [key, `value of ${key}`]);
  assert.deepEqual([...read], expected);
});

test("a value that is not UTF-8 is got lossily, as a single get does it", async () => {
  const read = await worker(async (KV) => {
    await KV.put("latin1", new Uint8Array([0x61, 0xe9]));
    return KV.get(["latin1"]);
  });
  assert.equal(read.get("latin1"), "a\ufffd");
});
