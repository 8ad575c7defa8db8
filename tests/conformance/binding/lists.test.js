// list: order, prefix, limit, and the cursor over more keys than a page holds.

import assert from "node:assert/strict";
import { test } from "node:test";

import { keys, nul, sorted } from "../lib/keys.js";
import { startWorker } from "../lib/workerd.js";

const worker = await startWorker("binding-lists");

// More than two pages.
const MANY = Array.from({ length: 2500 }, (_, i) => `many/${String(i).padStart(4, "0")}`);

await worker(async (KV, names) => {
  for (let from = 0; from < names.length; from += 250) {
    await Promise.all(names.slice(from, from + 250).map((name, i) => KV.put(name, name, { metadata: from + i })));
  }
}, MANY);

/** All pages, as the documentation says to read them. */
const pages = (options) => worker(async (KV, options) => {
  const pages = [];
  let cursor;
  do {
    const page = await KV.list({ ...options, cursor });
    pages.push(page);
    cursor = page.list_complete ? undefined : page.cursor;
  } while (cursor !== undefined && pages.length < 100);
  return pages;
}, options);

const names = (page) => page.keys.map((key) => key.name);

test("a list of 2,500 keys comes in three pages, by cursor, each key once and in order", async () => {
  const read = await pages({ prefix: "many/" });
  assert.deepEqual(read.map((page) => page.keys.length), [1000, 1000, 500]);
  assert.deepEqual(read.map((page) => page.list_complete), [false, false, true]);
  assert.deepEqual(read.map((page) => "cursor" in page), [true, true, false]);
  assert.deepEqual(read.flatMap((page) => page.keys), MANY.map((name, metadata) => ({ name, metadata })));
});

test("a limit makes pages of that size", async () => {
  const read = await pages({ prefix: "many/20", limit: 30 });
  assert.deepEqual(read.map((page) => page.keys.length), [30, 30, 30, 10]);
  assert.deepEqual(read.flatMap(names), MANY.slice(2000, 2100));
});

test("a limit of 0, a negative one and an empty prefix and cursor are as none", async () => {
  const read = await worker(async (KV) => {
    const found = [];
    for (const options of [undefined, {}, { limit: 0 }, { limit: -1 }, { prefix: "", cursor: "" }, { prefix: null }]) {
      found.push((await KV.list(options)).keys.length);
    }
    return found;
  });
  assert.deepEqual(read, Array(6).fill(1000));
});

test("a cursor goes on after its key even if that key and its neighbours were deleted", async () => {
  const read = await worker(async (KV) => {
    for (const name of ["gap/1", "gap/2", "gap/3", "gap/4"]) await KV.put(name, "v");
    const first = await KV.list({ prefix: "gap/", limit: 2 });
    for (const name of ["gap/1", "gap/2", "gap/3"]) await KV.delete(name);
    return KV.list({ prefix: "gap/", cursor: first.cursor });
  });
  assert.deepEqual(names(read), ["gap/4"]);
});

test("a prefix that covers nothing is a complete list of nothing", async () => {
  const read = await worker((KV) => KV.list({ prefix: "nothing/" }));
  assert.deepEqual(read, { keys: [], list_complete: true, cacheStatus: null });
});

test("a list shows at once what was put and deleted", async () => {
  const read = await worker(async (KV) => {
    const seen = [];
    const look = async () => seen.push((await KV.list({ prefix: "moving/" })).keys.map((key) => key.name));
    await look();
    await KV.put("moving/1", "v");
    await look();
    await KV.delete("moving/1");
    await look();
    return seen;
  });
  assert.deepEqual(read, [[], ["moving/1"], []]);
});

test("names with every special character are listed in the order of their bytes", async () => {
  const wanted = [...keys, nul].filter((key) => Buffer.byteLength(key) <= 500).map((key) => `special/${key}`);
  const read = await worker(async (KV, wanted) => {
    for (const key of wanted) await KV.put(key, "v");
    return KV.list({ prefix: "special/" });
  }, wanted);
  assert.deepEqual(names(read), sorted(wanted));
});

test("a prefix with special characters covers exactly the keys that begin with it", async () => {
  const prefixes = ["a b", "a+b", "%2F", "%", "é", "🤓", "&=?#", "//", "[^|]", "\u0000", "\r\n", "__proto__"];
  const read = await worker(async (KV, prefixes) => {
    for (const prefix of prefixes) await KV.put(`${prefix}/key`, "v");
    const found = [];
    for (const prefix of prefixes) found.push((await KV.list({ prefix })).keys.map((key) => key.name));
    return found;
  }, prefixes);
  const all = prefixes.map((prefix) => `${prefix}/key`);
  assert.deepEqual(read, prefixes.map((prefix) => sorted(all.filter((key) => key.startsWith(prefix)))));
});
