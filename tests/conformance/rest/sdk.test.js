// Every method that the TypeScript SDK has for KV.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { toFile } from "cloudflare";

import { keys, nul, sorted } from "../lib/keys.js";
import { all, namespaceId, refusal, sdk } from "../lib/sdk.js";
import { account } from "../lib/world.js";

const { namespaces } = sdk.kv;
const id = namespaceId("sdk");
const of = { account_id: account };
const inNamespace = { ...of, namespace_id: id };
const NOWHERE = "0123456789abcdef0123456789abcdef";
const LIMIT = 25 * 1024 * 1024;

const made = [];
after(async () => {
  for (const id of made) await namespaces.delete(id, of).catch(() => {});
});

/** A title of its own in every run against the same server. */
const own = (title) => `${title} ${process.pid}`;

async function make(title) {
  const namespace = await namespaces.create({ ...of, title });
  made.push(namespace.id);
  return namespace;
}

const put = (key, value, options) => namespaces.values.update(key, { ...inNamespace, value, ...options });
const read = async (key) => Buffer.from(await (await namespaces.values.get(key, inNamespace)).arrayBuffer());
const list = (options) => all(namespaces.keys.list(id, { ...of, ...options }));

test("a KvNamespace of a manifest has the id that follows from its name", async () => {
  const namespace = await namespaces.get(id, of);
  assert.deepEqual([namespace.id, namespace.title], [id, "SDK"]);
});

test("a namespace is created, got, renamed and deleted", async () => {
  const created = await make(own("life"));
  assert.match(created.id, /^[0-9a-f]{32}$/);
  assert.equal(created.title, own("life"));
  assert.equal((await namespaces.get(created.id, of)).title, own("life"));

  const renamed = await namespaces.update(created.id, { ...of, title: own("renamed") });
  assert.deepEqual([renamed.id, renamed.title], [created.id, own("renamed")]);
  assert.equal((await namespaces.get(created.id, of)).title, own("renamed"));

  await namespaces.delete(created.id, of);
  assert.deepEqual(await refusal(namespaces.get(created.id, of)), [404, 10013, "get namespace: 'namespace not found'"]);
});

test("a namespace that was just created takes writes at once", async () => {
  const { id } = await make(own("written at once"));
  await namespaces.values.update("k", { ...of, namespace_id: id, value: "v" });
  assert.equal(await (await namespaces.values.get("k", { ...of, namespace_id: id })).text(), "v");
});

test("a title that exists is refused in create and rename", async () => {
  const text = (operation) => `${operation} namespace: 'a namespace with this account ID and title already exists'`;
  const { id } = await make(own("another"));
  await make(own("taken"));
  assert.deepEqual(await refusal(namespaces.create({ ...of, title: own("taken") })), [400, 10014, text("create")]);
  assert.deepEqual(await refusal(namespaces.update(id, { ...of, title: own("taken") })), [400, 10014, text("rename")]);
});

test("namespaces are listed by title and id, in both directions, over pages, each once", async () => {
  const titles = ["page a", "page b", "page c", "page d", "page e"].map(own);
  for (const title of titles) await make(title);
  for (const order of ["title", "id"]) {
    for (const direction of ["asc", "desc"]) {
      const found = await all(namespaces.list({ ...of, order, direction, per_page: 5 }));
      const inOrder = sorted(found.map((namespace) => namespace[order]));
      assert.deepEqual(found.map((namespace) => namespace[order]), direction === "asc" ? inOrder : inOrder.reverse());
      assert.deepEqual(sorted(found.map(({ title }) => title).filter((title) => titles.includes(title))), titles);
    }
  }
});

test("a value is put as text and as a file, and got byte for byte", async () => {
  const bytes = Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i));
  await put("text", "é🤓\u0000\r\n--boundary\r\n");
  await put("file", await toFile(bytes, "any-name.bin"));
  await put("empty", "");
  assert.equal(String(await read("text")), "é🤓\u0000\r\n--boundary\r\n");
  assert.deepEqual(await read("file"), bytes);
  assert.deepEqual(await read("empty"), Buffer.alloc(0));
});

test("metadata and expiration that were put are got and listed", async () => {
  const expiration = Math.floor(Date.now() / 1000) + 3600;
  const metadata = { n: 1, text: "é🤓", deep: [null, { a: false }] };
  await put("described", "v", { metadata: JSON.stringify(metadata), expiration });
  await put("described-ttl", "v", { expiration_ttl: 3600 });
  assert.deepEqual(await namespaces.metadata.get("described", inNamespace), metadata);
  assert.equal(await namespaces.metadata.get("described-ttl", inNamespace), null);
  const answer = await namespaces.values.get("described", inNamespace);
  assert.equal(answer.headers.get("expiration"), String(expiration));
  const [first, second] = await list({ prefix: "described" });
  assert.deepEqual(first, { name: "described", expiration, metadata });
  assert.ok(Math.abs(second.expiration - expiration) <= 60, `${second.expiration} is not near ${expiration}`);
});

test("a deleted key is gone, and deleting it again is no error", async () => {
  await put("draft", "v");
  await namespaces.values.delete("draft", inNamespace);
  await namespaces.values.delete("draft", inNamespace);
  assert.deepEqual(await refusal(namespaces.values.get("draft", inNamespace)), [404, 10009, "get: 'key not found'"]);
});

test("a value of 25 MiB is taken, and one byte more is refused with its length", async () => {
  const bytes = Buffer.alloc(LIMIT, "0123456789\n");
  await put("large", await toFile(bytes, "large"));
  assert.ok((await read("large")).equals(bytes), "read as written");
  await namespaces.values.delete("large", inNamespace);
  const [status, , text] = await refusal(put("large", await toFile(Buffer.alloc(LIMIT + 1), "large")));
  assert.equal(status, 413);
  assert.match(text, /Value length of 26214401 exceeds limit of 26214400\./);
});

test("keys are listed over pages of the limit asked for", async () => {
  const body = Array.from({ length: 25 }, (_, i) => ({ key: `paged/${String(i).padStart(2, "0")}`, value: "v" }));
  await namespaces.bulkUpdate(id, { ...of, body });
  assert.deepEqual((await list({ prefix: "paged/", limit: 10 })).map(({ name }) => name), body.map(({ key }) => key));
  const page = await namespaces.keys.list(id, { ...of, prefix: "paged/", limit: 10 });
  assert.equal(page.result.length, 10);
  assert.equal(page.result_info.count, 10);
});

test("10,000 pairs are put in one bulk, listed, and deleted in one bulk", async () => {
  const body = Array.from({ length: 10_000 }, (_, i) => ({ key: `bulk/${String(i).padStart(5, "0")}`, value: String(i) }));
  const names = body.map(({ key }) => key);
  assert.deepEqual(await namespaces.bulkUpdate(id, { ...of, body }), { successful_key_count: 10_000, unsuccessful_keys: [] });
  assert.deepEqual((await list({ prefix: "bulk/" })).map(({ name }) => name), names);
  assert.deepEqual(await namespaces.bulkDelete(id, { ...of, body: names }), { successful_key_count: 10_000, unsuccessful_keys: [] });
  assert.deepEqual(await list({ prefix: "bulk/" }), []);
});

test("a bulk has base64, expiration, time to live and metadata for each pair, and the last of a key wins", async () => {
  const expiration = Math.floor(Date.now() / 1000) + 3600;
  await namespaces.bulkUpdate(id, { ...of, body: [
    { key: "mixed/bytes", value: Buffer.from([0, 255, 10]).toString("base64"), base64: true },
    { key: "mixed/described", value: "v", metadata: { a: 1 }, expiration },
    { key: "mixed/twice", value: "first" },
    { key: "mixed/twice", value: "last" },
    { key: "mixed/ttl", value: "v", expiration_ttl: 3600 },
  ] });
  assert.deepEqual(await read("mixed/bytes"), Buffer.from([0, 255, 10]));
  assert.equal(String(await read("mixed/twice")), "last");
  const found = await list({ prefix: "mixed/" });
  assert.deepEqual(found.map(({ name }) => name), ["mixed/bytes", "mixed/described", "mixed/ttl", "mixed/twice"]);
  assert.deepEqual(found[1], { name: "mixed/described", expiration, metadata: { a: 1 } });
  assert.ok(Math.abs(found[2].expiration - expiration) <= 60, `${found[2].expiration} is not near ${expiration}`);
});

test("a bulk get has text, JSON, metadata and expiration, and null for what is absent", async () => {
  const expiration = Math.floor(Date.now() / 1000) + 3600;
  await namespaces.bulkUpdate(id, { ...of, body: [
    { key: "many/json", value: '{"n":1}', metadata: { kind: "object" }, expiration },
    { key: "many/0", value: "0" },
  ] });
  const keys = ["many/json", "many/absent", "many/0"];
  assert.deepEqual(await namespaces.bulkGet(id, { ...of, keys }), {
    values: { "many/json": '{"n":1}', "many/absent": null, "many/0": "0" },
  });
  assert.deepEqual(await namespaces.bulkGet(id, { ...of, keys, type: "json" }), {
    values: { "many/json": { n: 1 }, "many/absent": null, "many/0": 0 },
  });
  assert.deepEqual(await namespaces.bulkGet(id, { ...of, keys, withMetadata: true }), {
    values: {
      "many/json": { value: '{"n":1}', metadata: { kind: "object" }, expiration },
      "many/absent": null,
      "many/0": { value: "0", metadata: null },
    },
  });
});

test("the deprecated bulk methods of keys do the same", async () => {
  const body = [{ key: "alias", value: "v" }];
  assert.deepEqual(await namespaces.keys.bulkUpdate(id, { ...of, body }), { successful_key_count: 1, unsuccessful_keys: [] });
  assert.deepEqual(await namespaces.keys.bulkGet(id, { ...of, keys: ["alias"] }), { values: { alias: "v" } });
  assert.deepEqual(await namespaces.keys.bulkDelete(id, { ...of, body: ["alias"] }), { successful_key_count: 1, unsuccessful_keys: [] });
});

test("keys with every special character are put, got, described, listed and deleted as themselves", async () => {
  const wanted = [...keys, nul];
  for (const [i, key] of wanted.entries()) {
    await put(key, `value of ${key}`, { metadata: JSON.stringify({ i, key }) });
  }
  for (const [i, key] of wanted.entries()) {
    assert.equal(String(await read(key)), `value of ${key}`, JSON.stringify(key));
    assert.deepEqual(await namespaces.metadata.get(key, inNamespace), { i, key }, JSON.stringify(key));
  }
  const listed = (await list()).map(({ name }) => name).filter((name) => wanted.includes(name));
  assert.deepEqual(listed, sorted(wanted));
  for (const key of wanted) await namespaces.values.delete(key, inNamespace);
  assert.deepEqual((await list()).filter(({ name }) => wanted.includes(name)), []);
});

test("every call names a namespace that does not exist by its operation", async () => {
  const at = { ...of, namespace_id: NOWHERE };
  const rows = [
    ["get namespace", () => namespaces.get(NOWHERE, of)],
    ["rename namespace", () => namespaces.update(NOWHERE, { ...of, title: "t" })],
    ["remove namespace", () => namespaces.delete(NOWHERE, of)],
    ["list keys", () => all(namespaces.keys.list(NOWHERE, of))],
    ["get", () => namespaces.values.get("k", at)],
    ["put", () => namespaces.values.update("k", { ...at, value: "v" })],
    ["remove key", () => namespaces.values.delete("k", at)],
    ["bulk get keys", () => namespaces.bulkGet(NOWHERE, { ...of, keys: ["k"] })],
    ["bulk put", () => namespaces.bulkUpdate(NOWHERE, { ...of, body: [{ key: "k", value: "v" }] })],
    ["bulk remove keys", () => namespaces.bulkDelete(NOWHERE, { ...of, body: ["k"] })],
  ];
  const seen = [];
  for (const [operation, call] of rows) seen.push([operation, await refusal(call())]);
  assert.deepEqual(seen, rows.map(([operation]) => [operation, [404, 10013, `${operation}: 'namespace not found'`]]));
});

test("impossible options are refused with the codes of the API", async () => {
  const tooMany = Array.from({ length: 10_001 }, (_, i) => ({ key: `k${i}`, value: "v" }));
  const rows = [
    [10033, () => put("k", "v", { expiration: 1 })],
    [10034, () => put("k", "v", { expiration_ttl: 59 })],
    [10147, () => put("k", "v", { metadata: "{" })],
    [10029, () => namespaces.bulkGet(id, { ...of, keys: [] })],
    [10029, () => namespaces.bulkGet(id, { ...of, keys: Array.from({ length: 101 }, (_, i) => `k${i}`) })],
    [10012, () => namespaces.bulkUpdate(id, { ...of, body: tooMany })],
    [10029, () => namespaces.bulkGet(id, { ...of, keys: ["bytes"] })],
    [10019, () => namespaces.create({ ...of })],
  ];
  await put("bytes", await toFile(Buffer.from([0xff]), "bytes"));
  const seen = [];
  for (const [, call] of rows) seen.push((await refusal(call())).slice(0, 2));
  assert.deepEqual(seen, rows.map(([code]) => [400, code]));
  assert.deepEqual(await list({ prefix: "k" }), [], "nothing was written");
});

test("who asks who they are and which accounts they have gets an answer", async () => {
  assert.equal((await sdk.user.tokens.verify()).status, "active");
  assert.ok((await all(sdk.accounts.list())).some(({ id }) => id === account));
});
