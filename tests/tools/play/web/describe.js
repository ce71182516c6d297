// Prints what the page's backend says of itself, for test_web.py to compare with Python's.

import { Backend, COMMANDS } from "../../../../iris_core/tools/play/web/backend.js";
import { MAX_NODES, SPEEDS } from "../../../../iris_core/tools/play/web/session.js";
import { AGENT, FakeDream } from "./fake.js";

const backend = new Backend([{ name: "fake" }], async () => new FakeDream());
const ask = async (command, ...args) => (await backend.answer({ do: command, args, view: "me" })).header;

const hello = await ask("hello");
for (const name of Object.keys(hello.panels)) if (name !== "policy") await ask("panel", name);
await ask("play"); // it opens playing, and a playing dream has no palette
await ask("token", 0);
const first = await ask("look");
await ask("step", null);
await ask("step", null);
await ask("back");
await ask("branch");
const frame = await ask("step", null);
const { actions } = AGENT;
const described = { COMMANDS, MAX_NODES, SPEEDS, hello, first, frame, actions };
console.log(JSON.stringify(described));
