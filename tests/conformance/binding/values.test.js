// get, getWithMetadata and put of one key: every type, every kind of value, options.

import assert from "node:assert/strict";
import { test } from "node:test";

import { keys, nul } from "../lib/keys.js";
import { startWorker } from "../lib/workerd.js";

const worker = await startWorker("binding-values");
const LIMIT = 25 * 1024 * 1024;

test("a value is got as text, json, arrayBuffer and stream", async () => {
  const read = await worker(async (KV) => {
    await KV.put("typed", '{"a":[1,"é"]}');
    const stream = await KV.get("typed", "stream");
    return {
      text: await KV.get("typed", "text"),
      json: await KV.get("typed", { type: "json" }),
      arrayBuffer: await KV.get("typed", "arrayBuffer"),
      stream: await new Response(stream).text(),
    };
  });
  assert.deepEqual(read, {
    text: '{"a":[1,"é"]}',
    json: { a: [1, "é"] },
    arrayBuffer: new Uint8Array(Buffer.from('{"a":[1,"é"]}')),
    stream: '{"a":[1,"é"]}',
  });
});

test("an absent key is null in every type, with metadata null", async () => {
  const read = await worker(async (KV) => {
    const found = [];
    for (const type of ["text", "json", "arrayBuffer", "stream"]) {
      const { value, metadata } = await KV.getWithMetadata("absent", type);
      found.push([await KV.get("absent", type), value, metadata]);
    }
    return found;
  });
  assert.deepEqual(read, Array(4).fill([null, null, null]));
});

test("an empty value is a value", async () => {
  const read = await worker(async (KV) => {
    await KV.put("empty", "");
    await KV.put("empty-bytes", new ArrayBuffer(0));
    const { value } = await KV.getWithMetadata("empty");
    return [await KV.get("empty"), value, await KV.get("empty-bytes", "arrayBuffer")];
  });
  assert.deepEqual(read, ["", "", new Uint8Array()]);
});

test("strings, buffers, views and streams are put byte for byte", async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const read = await worker(async (KV, bytes) => {
    await KV.put("string", "\u0000é🤓\ufeff\r\n");
    await KV.put("buffer", bytes.buffer);
    await KV.put("view", bytes.subarray(100, 200));
    await KV.put("words", new Uint16Array([1, 256]));
    // With a length that is known, and without.
    const { readable, writable } = new FixedLengthStream(bytes.length);
    const writer = writable.getWriter();
    const written = writer.write(bytes).then(() => writer.close());
    await Promise.all([KV.put("fixed", readable), written]);
    await KV.put("chunked", new ReadableStream({
      start(controller) {
        for (let from = 0; from < bytes.length; from += 50) controller.enqueue(bytes.slice(from, from + 50));
        controller.close();
      },
    }));
    const found = {};
    for (const key of ["string", "buffer", "view", "words", "fixed", "chunked"]) {
      found[key] = await KV.get(key, "arrayBuffer");
    }
    return found;
  }, bytes);
  assert.deepEqual(read, {
    string: new Uint8Array(Buffer.from("\u0000é🤓\ufeff\r\n")),
    buffer: bytes,
    view: bytes.slice(100, 200),
    words: new Uint8Array([1, 0, 0, 1]),
    fixed: bytes,
    chunked: bytes,
  });
});

test("numbers, booleans and null are put as their text", async () => {
  const read = await worker(async (KV) => {
    const found = [];
    for (const value of [5, true, null]) {
      await KV.put("stringified", value);
      found.push(await KV.get("stringified"));
    }
    return found;
  });
  assert.deepEqual(read, ["5", "true", "null"]);
});

test("a value that is not UTF-8 is got lossily as text, and exactly as bytes", async () => {
  const read = await worker(async (KV) => {
    await KV.put("latin1", new Uint8Array([0x61, 0xe9, 0x62]));
    return [await KV.get("latin1"), await KV.get("latin1", "arrayBuffer")];
  });
  assert.deepEqual(read, ["a\ufffdb", new Uint8Array([0x61, 0xe9, 0x62])]);
});

test("metadata of every JSON type come back as they were put", async () => {
  const kinds = [{ a: 1, n: 1.5, deep: [{ x: null }] }, [], {}, "text", "", 0, -1, false];
  // DEL is what no header can carry, and the binding sends it as it is: see "metadata with a DEL".
  const given = [...kinds, ...[...keys, nul].filter((text) => !text.includes("\u007f"))];
  const read = await worker(async (KV, given) => {
    const found = [];
    for (const metadata of given) {
      await KV.put("described", "value", { metadata });
      const answer = await KV.getWithMetadata("described");
      const list = await KV.list({ prefix: "described" });
      found.push([answer.value, answer.metadata, list.keys[0].metadata]);
    }
    return found;
  }, given);
  assert.deepEqual(read, given.map((metadata) => ["value", metadata, metadata]));
});

test("metadata null, and a put without any, leave none", async () => {
  const read = await worker(async (KV) => {
    const found = [];
    for (const options of [{ metadata: null }, undefined]) {
      await KV.put("bare", "1", { metadata: "earlier" });
      await KV.put("bare", "2", options);
      found.push((await KV.getWithMetadata("bare")).metadata);
    }
    return found;
  });
  assert.deepEqual(read, [null, null]);
});

test("metadata of exactly 1024 bytes are taken", async () => {
  const metadata = "m".repeat(1022);
  const read = await worker(async (KV, metadata) => {
    await KV.put("described-fully", "v", { metadata });
    return (await KV.getWithMetadata("described-fully")).metadata;
  }, metadata);
  assert.equal(read, metadata);
});

test("a time to live beats an expiration, and the expiration stands in the list", async () => {
  const now = Math.floor(Date.now() / 1000);
  const list = await worker(async (KV, now) => {
    await KV.put("expiring/absolute", "v", { expiration: now + 1000 });
    await KV.put("expiring/both", "v", { expiration: now + 1000, expirationTtl: 60 });
    await KV.put("expiring/never", "v", { expirationTtl: 60 });
    await KV.put("expiring/never", "v");
    await KV.put("expiring/ttl", "v", { expirationTtl: 60 });
    return KV.list({ prefix: "expiring/" });
  }, now);
  const [absolute, both, never, ttl] = list.keys;
  assert.deepEqual(absolute, { name: "expiring/absolute", expiration: now + 1000 });
  assert.deepEqual(never, { name: "expiring/never" });
  for (const { name, expiration } of [both, ttl]) {
    assert.ok(expiration >= now + 60 && expiration <= now + 90, `${name} expires at ${expiration}, put after ${now}`);
  }
});

test("a cacheTtl of 30 and more is taken, and a key that was read is a HIT afterwards", async () => {
  const read = await worker(async (KV) => {
    await KV.put("cached", "v");
    await KV.getWithMetadata("cached");
    const found = [];
    for (const cacheTtl of [30, 60, 3600, 2147483647]) {
      const { value, cacheStatus } = await KV.getWithMetadata("cached", { cacheTtl });
      found.push([value, cacheStatus]);
    }
    return found;
  });
  assert.deepEqual(read, Array(4).fill(["v", "HIT"]));
});

test("a value of 25 MiB is put as string, buffer and stream, and got as buffer and stream", async () => {
  const read = await worker(async (KV, limit) => {
    const hex = (hash) => [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const bytes = new Uint8Array(limit);
    for (let i = 0; i < limit; i++) bytes[i] = i % 127;
    const chunked = () => {
      let sent = 0;
      return new ReadableStream({
        pull(controller) {
          if (sent === limit) return controller.close();
          controller.enqueue(bytes.slice(sent, sent + 1024 * 1024));
          sent += 1024 * 1024;
        },
      });
    };
    const found = [hex(await crypto.subtle.digest("SHA-256", bytes))];
    for (const make of [() => new TextDecoder().decode(bytes), () => bytes, chunked]) {
      await KV.put("large", make());
      const read = await KV.get("large", "arrayBuffer");
      const digest = new crypto.DigestStream("SHA-256");
      await (await KV.get("large", "stream")).pipeTo(digest);
      found.push(read.byteLength, hex(await crypto.subtle.digest("SHA-256", read)), hex(await digest.digest));
    }
    await KV.delete("large");
    return found;
  }, LIMIT);
  const [sha256] = read;
  assert.deepEqual(read.slice(1), Array(3).fill([LIMIT, sha256, sha256]).flat());
});
