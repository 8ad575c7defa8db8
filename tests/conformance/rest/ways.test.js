// Where several ways lead to the same thing: what one client wrote, every other one reads, byte for byte, with metadata
// and expiration.

import assert from "node:assert/strict";
import { test } from "node:test";

import { toFile } from "cloudflare";

import { keys as special } from "../lib/keys.js";
import { kubectlKv } from "../lib/kubectl.js";
import { all, namespaceId, sdk } from "../lib/sdk.js";
import { startWorker } from "../lib/workerd.js";
import { file, wrangler, wranglerJson } from "../lib/wrangler.js";
import { account } from "../lib/world.js";

const worker = await startWorker("ways");
const id = namespaceId("ways");
const of = { account_id: account };
const inNamespace = { ...of, namespace_id: id };
const at = ["--namespace-id", id, "--remote"];
const { namespaces } = sdk.kv;

// In their bulk gets, wrangler loses a member "__proto__", and workerd those that are indices of an array.
const keys = special.filter((key) => !["__proto__", "0", "123"].includes(key));
const isBytes = (i) => i % 3 === 0;
// The bulk get of the API refuses what is not UTF-8.
const texts = keys.filter((_, i) => !isBytes(i));

/** What every way writes: bytes or text, with and without metadata and expiration. */
function entries(writer) {
  const expiration = Math.floor(Date.now() / 1000) + 3600;
  return keys.map((key, i) => ({
    key,
    value: isBytes(i) ? Buffer.from([i, 0x00, 0xff, 0x0d, 0x0a, 0xe9]) : Buffer.from(`${writer}: é🤓 ${key}`),
    metadata: i % 2 === 0 ? { i, writer, text: "é🤓\u2028" } : null,
    expiration: i % 4 < 2 ? expiration + i : null,
  }));
}

const writers = {
  async "the binding"(entries) {
    await worker(async (KV, entries) => {
      for (const { key, value, metadata, expiration } of entries) {
        await KV.put(key, value, { metadata, ...(expiration && { expiration }) });
      }
    }, entries);
  },

  async "the SDK, one by one"(entries) {
    for (const { key, value, metadata, expiration } of entries) {
      await namespaces.values.update(key, {
        ...inNamespace,
        value: await toFile(value, "value"),
        ...(metadata && { metadata: JSON.stringify(metadata) }),
        ...(expiration && { expiration }),
      });
    }
  },

  async "the SDK in bulk"(entries) {
    await namespaces.bulkUpdate(id, { ...of, body: entries.map(pair) });
  },

  async "wrangler in bulk"(entries) {
    await wrangler("kv", "bulk", "put", ...at, await file("ways.json", entries.map(pair)));
  },

  async "kubectl kv"(entries) {
    for (const { key, value, metadata, expiration } of entries) {
      const options = [
        ...(metadata ? ["--metadata", JSON.stringify(metadata)] : []),
        ...(expiration ? ["--expiration", String(expiration)] : []),
      ];
      kubectlKv("put", [...options, "--", "ways", key], value);
    }
  },
};

function pair({ key, value, metadata, expiration }) {
  return {
    key,
    value: value.toString("base64"),
    base64: true,
    ...(metadata && { metadata }),
    ...(expiration && { expiration }),
  };
}

/** Readers that do not read all keys. */
const ONLY = {
  "the SDK's bulk get": texts,
  "wrangler's bulk get": texts,
  "wrangler's get": keys.slice(0, 2), // of bytes and of text; two seconds each
};

// Each gives what it can show of the entries, and `expected` says what that has to be.
const readers = {
  async "the binding's get"() {
    const read = await worker(async (KV, keys) => {
      const found = [];
      for (const key of keys) {
        const { value, metadata } = await KV.getWithMetadata(key, "arrayBuffer");
        found.push({ key, value, metadata });
      }
      return found;
    }, keys);
    return read.map((entry) => ({ ...entry, value: Buffer.from(entry.value) }));
  },

  async "the binding's bulk get"() {
    const read = await worker((KV, keys) => KV.getWithMetadata(keys), keys);
    return [...read].map(([key, { value, metadata }]) => ({ key, text: value, metadata }));
  },

  async "the binding's list"() {
    const { keys } = await worker((KV) => KV.list());
    return listed(keys);
  },

  async "the SDK's get"() {
    const read = [];
    for (const key of keys) {
      const answer = await namespaces.values.get(key, inNamespace);
      read.push({
        key,
        value: Buffer.from(await answer.arrayBuffer()),
        metadata: await namespaces.metadata.get(key, inNamespace),
        expiration: Number(answer.headers.get("expiration")) || null,
      });
    }
    return read;
  },

  async "the SDK's bulk get"() {
    const { values } = await namespaces.bulkGet(id, { ...of, keys: texts, withMetadata: true });
    return texts.map((key) => {
      const { value, metadata, expiration = null } = values[key];
      return { key, text: value, metadata, expiration };
    });
  },

  async "the SDK's list"() {
    return listed(await all(namespaces.keys.list(id, of)));
  },

  async "wrangler's list"() {
    return listed(await wranglerJson("kv", "key", "list", ...at));
  },

  async "wrangler's bulk get"() {
    const values = await wranglerJson("kv", "bulk", "get", ...at, await file("texts.json", texts));
    return texts.map((key) => ({ key, text: values[key] }));
  },

  async "wrangler's get"() {
    const read = [];
    for (const key of ONLY["wrangler's get"]) read.push({ key, value: await wrangler("kv", "key", "get", ...at, key) });
    return read;
  },

  async "kubectl kv get"() {
    return keys.map((key) => ({ key, value: kubectlKv("get", ["--", "ways", key]) }));
  },

  async "kubectl kv list"() {
    return listed(JSON.parse(String(kubectlKv("list", ["-o", "json", "--", "ways"]))));
  },
};

function listed(keys) {
  const found = keys.map(({ name, metadata = null, expiration = null }) => ({ key: name, metadata, expiration }));
  return found.sort((a, b) => special.indexOf(a.key) - special.indexOf(b.key));
}

/** Of the entries that were read, the members that this reader can show. */
function expected(entries, read) {
  const shown = Object.keys(read[0] ?? assert.fail("nothing was read"));
  return entries.map((entry) => {
    const whole = { ...entry, text: new TextDecoder().decode(entry.value) };
    return Object.fromEntries(shown.map((member) => [member, whole[member]]));
  });
}

for (const [writer, write] of Object.entries(writers)) {
  test(`what ${writer} wrote is read alike by every other way, with metadata and expiration`, async (t) => {
    const written = entries(writer);
    await write(written);
    for (const [reader, readAll] of Object.entries(readers)) {
      await t.test(`by ${reader}`, async () => {
        const read = await readAll();
        const wanted = written.filter(({ key }) => (ONLY[reader] ?? keys).includes(key));
        assert.deepEqual(read, expected(wanted, read));
      });
    }
  });
}

const removers = {
  "the binding": () => worker(async (KV, keys) => {
    for (const key of keys) await KV.delete(key);
  }, keys),
  "the SDK, one by one": async () => {
    for (const key of keys) await namespaces.values.delete(key, inNamespace);
  },
  "the SDK in bulk": () => namespaces.bulkDelete(id, { ...of, body: keys }),
  "kubectl kv": async () => kubectlKv("delete", ["--", "ways", ...keys]),
  "wrangler in bulk": async () => wrangler("kv", "bulk", "delete", ...at, "--force", await file("gone.json", keys)),
};

for (const [remover, remove] of Object.entries(removers)) {
  test(`what ${remover} deleted is gone for every other way`, async () => {
    await writers["the SDK in bulk"](entries("to be deleted"));
    await worker((KV, keys) => KV.get(keys), keys); // held by the edge
    await remove();
    const seen = {
      get: (await worker(async (KV, keys) => Promise.all(keys.map((key) => KV.get(key))), keys)).filter((value) => value !== null),
      "bulk get": [...(await worker((KV, keys) => KV.get(keys), keys)).values()].filter((value) => value !== null),
      list: (await worker((KV) => KV.list())).keys,
      "the SDK's list": await all(namespaces.keys.list(id, of)),
      "wrangler's list": await wranglerJson("kv", "key", "list", ...at),
    };
    assert.deepEqual(seen, { get: [], "bulk get": [], list: [], "the SDK's list": [], "wrangler's list": [] });
  });
}
