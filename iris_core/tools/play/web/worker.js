// The dream beside the page: its messages in order, and their answers.

import { Backend } from "./backend.js";
import { loadRuntime, openDream } from "./dream.js";
import { readJson } from "./files.js";
import { Refusal } from "./refusal.js";

const RETRY = 3000; // milliseconds before something that did not load is asked for again

let site;
let backend; // of the site, once it has loaded
let last = Promise.resolve();

onmessage = ({ data }) => (last = last.then(() => receive(data)));

async function receive(message) {
  if (message.site) {
    site = message;
    return;
  }
  const { header, bytes } = await answer(message);
  postMessage({ header, bytes }, [bytes]);
  if (!backend?.session) await new Promise((done) => setTimeout(done, RETRY));
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
