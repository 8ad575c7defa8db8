// Every refusal, in the words in which JavaScript sees it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { failure, startWorker } from "../lib/workerd.js";
import { account } from "../lib/world.js";

const worker = await startWorker("binding-refusals");
const LIMIT = 25 * 1024 * 1024;

/** Each row: what is called, with its arguments, and what it fails with. */
async function expectFailures(rows) {
  const expected = [];
  const actual = [];
  for (const [run, args, text] of rows) {
    expected.push(`${run} with ${JSON.stringify(args).slice(0, 80)}: ${text}`);
    actual.push(`${run} with ${JSON.stringify(args).slice(0, 80)}: ${await failure(worker, run, ...args)}`);
  }
  assert.deepEqual(actual, expected);
}

const get = (KV, key, options) => KV.get(key, options);
const put = (KV, key, value, options) => KV.put(key, value, options);
const remove = (KV, key) => KV.delete(key);
const list = (KV, options) => KV.list(options);

test("impossible keys are refused in get, put, delete and bulk get", async () => {
  const long = "é".repeat(256) + "x";
  const tooLong = "414 UTF-8 encoded length of 513 exceeds key length limit of 512.";
  const illegal = (key) => `TypeError: "${key}" is not allowed as a key name.`;
  await expectFailures([
    ...[get, put, remove].flatMap((run) => [
      [run, ["", "v"], "TypeError: Key name cannot be empty."],
      [run, [".", "v"], illegal(".")],
      [run, ["..", "v"], illegal("..")],
    ]),
    [get, [long], `Error: KV GET failed: ${tooLong}`],
    [put, [long, "v"], `Error: KV PUT failed: ${tooLong}`],
    [remove, [long], `Error: KV DELETE failed: ${tooLong}`],
    [get, [["a", ""]], "Error: KV GET_BULK failed: 400 Key names must not be empty"],
    [get, [["a", "."]], 'Error: KV GET_BULK failed: 400 Illegal key name ".". Please use a different name.'],
    [get, [["a", ".."]], 'Error: KV GET_BULK failed: 400 Illegal key name "..". Please use a different name.'],
    [get, [["a", long]], `Error: KV GET_BULK failed: ${tooLong}`],
    [(KV) => KV.get("s\ud800"), [], "Error: KV GET failed: 400 Could not URL-decode key name"],
    [(KV) => KV.put("s\ud800", "v"), [], "Error: KV PUT failed: 400 Could not URL-decode key name"],
    [(KV) => KV.delete("s\ud800"), [], "Error: KV DELETE failed: 400 Could not URL-decode key name"],
  ]);
});

test("a cacheTtl below 30 is refused in get and bulk get", async () => {
  const text = (given) => `400 Invalid cache_ttl of ${given}. Cache TTL must be at least 30.`;
  await expectFailures([0, -1, 29].flatMap((cacheTtl) => [
    [get, ["k", { cacheTtl }], `Error: KV GET failed: ${text(cacheTtl)}`],
    [get, [["k"], { cacheTtl }], `Error: KV GET_BULK failed: ${text(cacheTtl)}`],
  ]));
});

test("a time to live below 60 and an expiration less than 60 seconds ahead are refused", async () => {
  const near = Math.floor(Date.now() / 1000) + 30;
  const failed = "Error: KV PUT failed: 400 Invalid";
  const future = "Please specify integer greater than the current number of seconds since the UNIX epoch.";
  await expectFailures([
    [put, ["k", "v", { expirationTtl: 0 }], `${failed} expiration_ttl of 0. Please specify integer greater than 0.`],
    [put, ["k", "v", { expirationTtl: -1 }], `${failed} expiration_ttl of -1. Please specify integer greater than 0.`],
    [put, ["k", "v", { expirationTtl: 59 }], `${failed} expiration_ttl of 59. Expiration TTL must be at least 60.`],
    [put, ["k", "v", { expirationTtl: "soon" }], `${failed} expiration_ttl of 0. Please specify integer greater than 0.`],
    [put, ["k", "v", { expiration: 0 }], `${failed} expiration of 0. ${future}`],
    [put, ["k", "v", { expiration: 1000000 }], `${failed} expiration of 1000000. ${future}`],
    [put, ["k", "v", { expiration: near }],
      `${failed} expiration of ${near}. Expiration times must be at least 60 seconds in the future.`],
  ]);
  assert.equal(await worker(get, "k"), null, "nothing was written");
});

test("metadata over 1024 bytes are refused with their length", async () => {
  const text = (length) => `Error: KV PUT failed: 413 Metadata length of ${length} exceeds limit of 1024.`;
  await expectFailures([
    [put, ["k", "v", { metadata: "m".repeat(1023) }], text(1025)],
    [put, ["k", "v", { metadata: "é".repeat(512) }], text(1026)],
    [put, ["k", "v", { metadata: "m".repeat(20000) }], text(20002)],
  ]);
});

test("metadata with a DEL are refused, since the binding sends it raw and no HTTP header may hold it", async () => {
  await expectFailures([[put, ["k", "v", { metadata: "\u007f" }], "Error: KV PUT failed: 400 Bad Request"]]);
});

test("one byte over 25 MiB is refused as string, buffer and stream, and nothing is written", async () => {
  const text = "Error: KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400.";
  await expectFailures([
    [(KV, length) => KV.put("large", "x".repeat(length)), [LIMIT + 1], text],
    [(KV, length) => KV.put("large", new ArrayBuffer(length)), [LIMIT + 1], text],
    [(KV, length) => {
      let left = length;
      return KV.put("large", new ReadableStream({
        pull(controller) {
          if (left === 0) return controller.close();
          const size = Math.min(left, 1024 * 1024);
          controller.enqueue(new Uint8Array(size));
          left -= size;
        },
      }));
    }, [LIMIT + 1], text],
  ]);
  assert.equal(await worker(get, "large"), null);
});

test("a list's limit, prefix and cursor are refused, and the binding calls it GET", async () => {
  await expectFailures([
    [list, [{ limit: 1001 }],
      "Error: KV GET failed: 400 Invalid key_count_limit of 1001. Please specify an integer less than 1000."],
    [list, [{ prefix: "p".repeat(513) }],
      "Error: KV GET failed: 414 UTF-8 encoded length of 513 exceeds key length limit of 512."],
    [list, [{ cursor: "made up" }], "Error: KV GET failed: 400 Invalid cursor."],
  ]);
});

test("a bulk get of no key, of 101, of a wrong type and of what is not JSON is refused", async () => {
  await worker(put, "text", "no json");
  const failed = "Error: KV GET_BULK failed:";
  await expectFailures([
    [get, [[]], `${failed} 400 You must request a minimum of 1 key`],
    [get, [Array.from({ length: 101 }, (_, i) => `k${i}`)], `${failed} 400 You can request a maximum of 100 keys`],
    [get, [["text"], "arrayBuffer"], `${failed} 400 "arrayBuffer" is not a valid type. Use "json" or "text"`],
    [get, [["text"], "stream"], `${failed} 400 "stream" is not a valid type. Use "json" or "text"`],
    [get, [["text"], { type: "json" }],
      `${failed} 400 At least one of the requested keys corresponds to a non-json value`],
  ]);
});

test("a bulk get of more than 25 MB is refused", async () => {
  await worker(async (KV) => {
    for (const key of ["half-1", "half-2"]) await KV.put(key, new ArrayBuffer(14_000_000));
  });
  const text = await failure(worker, get, ["half-1", "half-2"]);
  assert.equal(text, "Error: KV GET_BULK failed: 413 Total size of request exceeds the limit of 25MB");
  await worker(async (KV) => {
    for (const key of ["half-1", "half-2"]) await KV.delete(key);
  });
});

test("what the binding itself refuses never arrives", async () => {
  const range = "TypeError: Value out of range. Must be between -2147483648 and 2147483647 (inclusive).";
  await expectFailures([
    [put, ["k", {}],
      "TypeError: KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values."],
    [get, ["text", "xml"],
      'TypeError: Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".'],
    [put, ["k", "v", { expiration: 9999999999 }], range],
    [get, ["k", { cacheTtl: 2147483648 }], range],
  ]);
});

test("a declared key is refused in put and delete, and the text says where to change it", async () => {
  const text = `409 Key "declared" is declared by KvNamespace ${account}/binding-refusals; ` +
    "change it there, or remove it from spec.entries and spec.entriesFrom";
  await expectFailures([
    [put, ["declared", "mine"], `Error: KV PUT failed: ${text}`],
    [remove, ["declared"], `Error: KV DELETE failed: ${text}`],
  ]);
  assert.equal(await worker(get, "declared"), "by the manifest");
});

test("a KvNamespace that does not exist is an error in every call, never null", async () => {
  const nowhere = await startWorker("nowhere");
  const text = `400 No such KvNamespace ${account}/nowhere`;
  assert.deepEqual(
    [
      await failure(nowhere, get, "k"),
      await failure(nowhere, get, ["k"]),
      await failure(nowhere, put, "k", "v"),
      await failure(nowhere, remove, "k"),
      await failure(nowhere, list),
    ],
    ["GET", "GET_BULK", "PUT", "DELETE", "GET"].map((method) => `Error: KV ${method} failed: ${text}`),
  );
});
