// wrangler's commands for KV, all with --remote, as a person types them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { keys, sorted } from "../lib/keys.js";
import { namespaceId } from "../lib/sdk.js";
import { attempt, file, wrangler, wranglerJson } from "../lib/wrangler.js";

const LIMIT = 25 * 1024 * 1024;
const at = ["--namespace-id", namespaceId("wrangler"), "--remote"];

const put = (...given) => wrangler("kv", "key", "put", ...at, ...given);
const get = (key) => wrangler("kv", "key", "get", ...at, key);
const remove = (key) => wrangler("kv", "key", "delete", ...at, key);
const list = (...options) => wranglerJson("kv", "key", "list", ...at, ...options);
const titles = async () => (await wranglerJson("kv", "namespace", "list")).map(({ title }) => title);

test("a namespace is created, listed, renamed and deleted, by name", async () => {
  // Its own in every run against the same server.
  const title = `made-by-wrangler-${process.pid}`;
  const renamed = `renamed-by-wrangler-${process.pid}`;
  const listed = async () => {
    const namespaces = await wranglerJson("kv", "namespace", "list");
    return namespaces.filter((namespace) => [title, renamed].includes(namespace.title)).map(({ id, title }) => [id, title]);
  };
  const created = String(await wrangler("kv", "namespace", "create", title));
  const [id] = created.match(/[0-9a-f]{32}/) ?? assert.fail(`no id in: ${created}`);
  assert.deepEqual(await listed(), [[id, title]]);

  const again = await attempt("kv", "namespace", "create", title);
  assert.equal(again.code, 1);
  assert.match(again.stderr, new RegExp(`A KV namespace with the title "${title}" already exists`));

  await wrangler("kv", "namespace", "rename", title, "--new-name", renamed);
  assert.deepEqual(await listed(), [[id, renamed]]);
  await wrangler("kv", "namespace", "delete", renamed, "--skip-confirmation");
  assert.deepEqual(await listed(), []);
});

test("a key is put, got and deleted", async () => {
  await put("greeting", "Hello, é🤓");
  assert.equal(String(await get("greeting")), "Hello, é🤓");
  await remove("greeting");
  const gone = await attempt("kv", "key", "get", ...at, "greeting");
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /404: Not Found/);
});

test("metadata, time to live and expiration of a key are listed, and a prefix chooses", async () => {
  const expiration = Math.floor(Date.now() / 1000) + 3600;
  await put("listed/absolute", "v", "--expiration", String(expiration), "--metadata", '{"n":1,"text":"é🤓"}');
  await put("listed/ttl", "v", "--ttl", "3600");
  await put("other", "v");
  const [absolute, ttl, ...rest] = await list("--prefix", "listed/");
  assert.deepEqual(rest, []);
  assert.deepEqual(absolute, { name: "listed/absolute", expiration, metadata: { n: 1, text: "é🤓" } });
  assert.equal(ttl.name, "listed/ttl");
  assert.ok(Math.abs(ttl.expiration - expiration) <= 60, `${ttl.expiration} is not near ${expiration}`);
});

test("a file is put by --path, with and without metadata, and got byte for byte", async () => {
  const bytes = Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i));
  const path = await file("bytes.bin", bytes);
  await put("plain-file", "--path", path);
  await put("described-file", "--path", path, "--metadata", '{"type":"bytes"}');
  assert.deepEqual(await get("plain-file"), bytes);
  assert.deepEqual(await get("described-file"), bytes);
});

test("a file of 25 MiB is put and got, and one byte more is refused with its length", async () => {
  const bytes = Buffer.alloc(LIMIT, "0123456789\n");
  await put("large", "--path", await file("large.bin", bytes));
  assert.ok((await get("large")).equals(bytes), "read as written");
  await remove("large");
  const refused = await attempt("kv", "key", "put", ...at, "large", "--path", await file("larger.bin", Buffer.alloc(LIMIT + 1)));
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Value length of 26214401 exceeds limit of 26214400\./);
});

test("10,000 pairs are put in bulk, listed, got in bulk, and deleted in bulk", async () => {
  const pairs = Array.from({ length: 10_000 }, (_, i) => ({
    key: `bulk/${String(i).padStart(5, "0")}`,
    value: `value ${i}`,
    metadata: { i },
  }));
  const names = pairs.map(({ key }) => key);
  await wrangler("kv", "bulk", "put", ...at, await file("pairs.json", pairs));
  assert.deepEqual(await list("--prefix", "bulk/"), pairs.map(({ key, metadata }) => ({ name: key, metadata })));

  const some = names.filter((_, i) => i % 100 === 0);
  const got = await wranglerJson("kv", "bulk", "get", ...at, await file("some.json", some));
  assert.deepEqual(got, Object.fromEntries(some.map((name, i) => [name, `value ${i * 100}`])));

  await wrangler("kv", "bulk", "delete", ...at, "--force", await file("names.json", names));
  assert.deepEqual(await list("--prefix", "bulk/"), []);
});

test("keys with every special character are put, listed, got and deleted in bulk", async () => {
  const pairs = keys.map((key) => ({ key, value: `value of ${key}` }));
  await wrangler("kv", "bulk", "put", ...at, await file("special.json", pairs));
  const listed = (await list()).map(({ name }) => name).filter((name) => keys.includes(name));
  assert.deepEqual(listed, sorted(keys));
  const path = await file("special-names.json", keys);
  const got = await wranglerJson("kv", "bulk", "get", ...at, path);
  // Wrangler makes an object of the answer, where "__proto__" is no member like others.
  const expected = pairs.filter(({ key }) => key !== "__proto__").map(({ key, value }) => [key, value]);
  assert.deepEqual(sorted(Object.keys(got)), sorted(expected.map(([key]) => key)));
  assert.deepEqual(got, Object.fromEntries(expected));
  await wrangler("kv", "bulk", "delete", ...at, "--force", path);
  assert.deepEqual((await list()).filter(({ name }) => keys.includes(name)), []);
});

// Not those that begin with "-": wrangler takes them for options.
test("the hardest keys are put, got and deleted one by one", async () => {
  const hardest = [
    ` a b/c+d:e@f&g=h?i#j%k"l<m>ü~'()*![]^|{}\`\\;,$_-.`,
    "%2F", "/a//b/", "a/../b", "\t\r\n", "🤓".repeat(128),
  ];
  for (const key of hardest) {
    await put(key, `value of ${key}`);
    assert.equal(String(await get(key)), `value of ${key}`, JSON.stringify(key));
    await remove(key);
  }
  assert.deepEqual((await list()).filter(({ name }) => hardest.includes(name)), []);
});
