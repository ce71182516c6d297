import assert from "node:assert/strict";
import { test } from "node:test";

import { Backend } from "../../../../iris_core/tools/play/web/backend.js";
import { AGENT, FakeDream } from "./fake.js";

const MENU = ["fake", "other"].map((name) => ({ name, title: name, picture: "", present: null }));
const opened = [];

function openBackend(options) {
  const open = async (name) => {
    if (name === "other" && options?.broken) throw new Error("no bytes");
    opened.push(new FakeDream(options?.endsAt, { ...AGENT, name }));
    return opened.at(-1);
  };
  return new Backend(MENU, open, options);
}

async function ask(backend, command, ...args) {
  const { header, bytes } = await backend.answer({ do: command, args, view: "me" });
  assert.equal(header.view, "me");
  const size = (header.pictures ?? []).reduce((sum, p) => sum + 4 * p.width * p.height, 0);
  assert.equal(bytes.byteLength, size);
  return { ...header, bytes: new Uint8Array(bytes) };
}

async function refused(backend, pattern, command, ...args) {
  const { kind, text } = await ask(backend, command, ...args);
  assert.equal(kind, "error");
  assert.match(text, pattern);
}

test("hello, and a first frame that plays", async () => {
  const backend = openBackend();
  const hello = await ask(backend, "hello");
  assert.deepEqual([hello.kind, hello.name, hello.agents], ["hello", "fake", MENU]);
  for (const name of Object.values(hello.commands)) assert.ok(hello.can.includes(name[0]));
  assert.ok(!hello.can.includes("twin"));
  const { kind, state, data, pictures } = await ask(backend, "look");
  assert.deepEqual([kind, state.playing, state.step, state.action], ["frame", true, 0, "start"]);
  assert.deepEqual(pictures, [{ name: "frame", height: 4, width: 4 }]);
  assert.deepEqual(data.policy, { probs: [0, 0.5, 0.5], value: 0 });
  assert.deepEqual([state.cache, state.branches, state.branch], [[1, 4], 1, 1]);
});

test("next steps while it plays; step steps and pauses", async () => {
  const backend = openBackend();
  assert.equal((await ask(backend, "next", null)).state.step, 1);
  const { state } = await ask(backend, "step", null);
  assert.deepEqual([state.step, state.playing], [2, false]);
  assert.equal((await ask(backend, "next", null)).state.step, 2);
  await ask(backend, "driver", "human");
  await ask(backend, "play");
  const driven = (await ask(backend, "next", 2)).state;
  assert.deepEqual([driven.action, driven.reward, driven.driver], ["RIGHT", 1, "human"]);
});

test("everything that can be asked for answers with a frame", async () => {
  const backend = openBackend();
  const asked = [["seek", 3], ["first"], ["last"], ["back"], ["reset"], ["new"], ["seed", 4]];
  asked.push(["driver"], ["slower"], ["faster"], ["temperature", 0.5], ["branch"], ["step"]);
  asked.push(["policy_temperature", 2], ["earlier"], ["later"], ["select", 0], ["token", 1]);
  asked.push(["paint", 1, 5], ["panel", "tree"], ["token", null], ["play"], ["look"], ["next"]);
  for (const [command, ...args] of asked) {
    assert.equal((await ask(backend, command, ...args)).kind, "frame", command);
  }
  const { state } = await ask(backend, "look");
  const { temperature, policy_temperature, seed, panels } = state;
  assert.deepEqual([temperature, policy_temperature, seed, panels], [0.5, 2, 4, ["policy", "tree"]]);
});

test("what cannot be done is said in a sentence", async () => {
  const backend = openBackend();
  await refused(backend, /Unknown command "twin": choose hello, look/, "twin");
  await refused(backend, /Unknown command "constructor"/, "constructor");
  await refused(backend, /seek cannot be given \[-1\]/, "seek", -1);
  await refused(backend, /seek cannot be given \[\]/, "seek");
  await refused(backend, /seek cannot be given \[1.5\]/, "seek", 1.5);
  await refused(backend, /paint cannot be given \["a",1\]/, "paint", "a", 1);
  await refused(backend, /look cannot be given \[1\]/, "look", 1);
  await refused(backend, /temperature is 0; it must be above 0/, "temperature", 0);
  await refused(backend, /Unknown panel "twin": choose among tokens/, "panel", "twin");
  await refused(backend, /There is no token 4/, "token", 4);
  await refused(backend, /There is no agent "none": choose fake, other/, "agent", "none");
  assert.equal((await ask(backend, "look")).state.playing, false);
});

test("another agent plays at the same speed; one that is broken does not", async () => {
  const backend = openBackend();
  await ask(backend, "faster");
  await ask(backend, "panel", "tokens");
  const first = opened.at(-1);
  const hello = await ask(backend, "agent", "other");
  assert.deepEqual([hello.kind, hello.name, first.closed], ["hello", "other", true]);
  const { state } = await ask(backend, "look");
  assert.deepEqual([state.speed, state.playing, state.step], [60, true, 0]);
  assert.deepEqual(state.panels, ["tokens", "policy"]);

  const broken = openBackend({ broken: true });
  await ask(broken, "step");
  await refused(broken, /The dream broke off: no bytes/, "agent", "other");
  assert.equal((await ask(broken, "look")).state.step, 1);
});

test("another first agent can be asked for", async () => {
  assert.equal((await ask(openBackend({ first: "other" }), "hello")).name, "other");
  await refused(openBackend({ first: "none" }), /no agent "none"/, "hello");
});

test("tokens, surprise and outcome tell what was expected", async () => {
  const backend = openBackend();
  for (const panel of ["tokens", "surprise", "outcome"]) await ask(backend, "panel", panel);
  let { data, pictures } = await ask(backend, "look");
  assert.deepEqual([data.tokens, data.surprise, data.outcome], [[0, 1, 1, 1], null, null]);
  ({ data, pictures } = await ask(backend, "step"));
  assert.deepEqual(data.outcome, { reward: [0, 0.75, 0.25], end: 0.125 });
  assert.deepEqual(data.surprise.map((nats) => nats.toFixed(3)), ["0.000", "0.693", "0.693", "27.631"]);
  assert.deepEqual(pictures.map((picture) => picture.name), ["frame", "reconstruction"]);
});

test("the palette shows the codes in the selected cell", async () => {
  const backend = openBackend();
  await ask(backend, "panel", "tokens");
  await ask(backend, "play");
  assert.equal((await ask(backend, "look")).data.palette, null);
  const { data, pictures, bytes } = await ask(backend, "token", 1);
  assert.deepEqual(data.palette, { codes: [3, 1, 2] });
  assert.deepEqual(pictures[2], { name: "palette", height: 2, width: 6 });
  const row = [...bytes.subarray(2 * 64, 2 * 64 + 24)].filter((_, i) => i % 4 === 0);
  assert.deepEqual(row, [3, 3, 1, 1, 2, 2]);
  assert.equal((await ask(backend, "token", null)).data.palette, null);
});

test("the tree shares what branches have in common", async () => {
  const backend = openBackend();
  await ask(backend, "panel", "tree");
  for (let i = 0; i < 4; i += 1) await ask(backend, "step");
  await ask(backend, "seek", 2);
  await ask(backend, "branch");
  const { data, pictures } = await ask(backend, "step");
  const { steps, rows } = data.tree;
  assert.deepEqual(steps, [2, 3, 4]);
  assert.deepEqual(rows.map((row) => [row.branch, row.current]), [[0, false], [1, true]]);
  assert.deepEqual(rows[1].cells, [
    { column: 0, shared: true },
    { column: 1, picture: "tree4", cursor: true },
  ]);
  assert.equal(pictures.length, 5);
});

test("the timeline marks what happened", async () => {
  const backend = openBackend({ endsAt: 9 });
  await ask(backend, "driver", "human");
  for (const action of [2, 0, 2, 2, 2, 2]) await ask(backend, "step", action);
  const { timeline } = (await ask(backend, "look")).data;
  assert.deepEqual(timeline, {
    ...{ length: 7, at: 6, first: 0, forks: [], refills: [4], ends: [6] },
    rewards: [[1, 1], [3, 1], [4, 1], [5, 1], [6, 1]],
  });
  const { state } = await ask(backend, "look");
  assert.deepEqual([state.end, state.total], [true, 5]);
});
