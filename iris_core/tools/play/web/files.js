// Files of the site, which may be compressed whatever their name: any host serves them then
// in a quarter of the bytes.

import { Refusal } from "./refusal.js";

export async function read(url) {
  // The bytes of a file, unpacked
  const answer = await fetch(url).catch((error) => {
    throw new Refusal(`${fileName(url)} did not load (${error.message}). Is the network there?`);
  });
  if (!answer.ok) throw new Refusal(`${fileName(url)} did not load: the answer was ${answer.status}.`);
  return unpack(new Uint8Array(await answer.arrayBuffer()));
}

export async function readJson(url) {
  const text = new TextDecoder().decode(await read(url));
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(`${fileName(url)} is not what it should be: was it copied whole?`);
  }
}

export async function unpack(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fileName(url) {
  return new URL(url).pathname.split("/").slice(-2).join("/");
}
