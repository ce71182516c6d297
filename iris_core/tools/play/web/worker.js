// The dream beside the page: its messages in order, and their answers.

import { Backend } from "./backend.js";
import { loadRuntime, openDream } from "./dream.js";
import { readJson } from "./files.js";
import { Refusal } from "./refusal.js";

let backend; // promised once the site is known; asked for again if it could not be had
let site;
let last = Promise.resolve();

onmessage = ({ data }) => (last = last.then(() => receive(data)));

async function receive(message) {
  if (message.site) {
    site = message;
    return;
  }
  const { header, bytes } = await answer(message);
  postMessage({ header, bytes }, [bytes]);
}

async function answer(message) {
  try {
    backend ??= await openBackend(site);
  } catch (error) {
    const text = error instanceof Refusal ? error.message : `The player did not load: ${error.message}`;
    return { header: { kind: "error", text, view: message.view }, bytes: new ArrayBuffer(0) };
  }
  return backend.answer(message);
}

async function openBackend({ site: base, agent }) {
  const runtime = loadRuntime(new URL("ort/", base));
  runtime.catch(() => {}); // it is awaited, and refused, where it is needed
  const menu = await readJson(new URL("agents/agents.json", base));
  const agents = menu.map((each) => ({ ...each, picture: new URL(each.picture, base).href }));
  const open = (name) => openDream(runtime, new URL(`agents/${name}/`, base));
  return new Backend(agents, open, { first: agent });
}
