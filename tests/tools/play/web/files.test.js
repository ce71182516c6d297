import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";

import { read, readJson, unpack } from "../../../../iris_core/tools/play/web/files.js";

const text = JSON.stringify({ name: "fake" });
const FILES = { "/a/plain.json": text, "/a/packed.json": gzipSync(text), "/a/half.json": text.slice(4) };
const server = createServer(({ url }, response) => {
  response.writeHead(url in FILES ? 200 : 404).end(FILES[url]);
});
let base;

before(async () => {
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  base = `http://127.0.0.1:${server.address().port}/a/`;
});
after(() => server.close());

test("a file is the same compressed and not", async () => {
  assert.deepEqual(await readJson(`${base}plain.json`), { name: "fake" });
  assert.deepEqual(await readJson(`${base}packed.json`), { name: "fake" });
  assert.equal((await read(`${base}packed.json`)).length, text.length);
  assert.deepEqual([...(await unpack(Uint8Array.of(7)))], [7]);
});

test("what does not load is said in a sentence", async () => {
  await assert.rejects(read(`${base}none.json`), /a\/none.json did not load: the answer was 404/);
  await assert.rejects(readJson(`${base}half.json`), /a\/half.json is not what it should be/);
  await assert.rejects(read("http://127.0.0.1:1/a/x.json"), /a\/x.json did not load \(.*\). Is the network there/);
});
