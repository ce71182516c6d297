import assert from "node:assert/strict";
import { test } from "node:test";

import { sample, seeded } from "../../../../iris_core/tools/play/web/random.js";
import { Session } from "../../../../iris_core/tools/play/web/session.js";
import { allFrom, leavesFrom, lineFrom } from "../../../../iris_core/tools/play/web/tree.js";
import { FakeDream } from "./fake.js";

async function played(steps = 0, { endsAt, ...options } = {}) {
  const session = new Session(new FakeDream(endsAt), options);
  await session.reset();
  for (let i = 0; i < steps; i += 1) await session.advance();
  return session;
}

const frames = (session) => lineFrom(session.root).map((node) => [...node.tokens]);

test("the same seed is the same dream, another one is another", async () => {
  const [one, same, other] = [await played(9), await played(9), await played(9, { seed: 2 })];
  assert.deepEqual(frames(one), frames(same));
  assert.notDeepEqual(frames(one), frames(other));
  assert.deepEqual(frames(one)[0], frames(other)[0]); // there are two starts
});

test("reset dreams the same again, at any place of the tree", async () => {
  const session = await played(9);
  const before = frames(session);
  session.seek(4);
  session.branch();
  await session.advance();
  await session.reset();
  assert.equal(session.cursor, session.root);
  for (let i = 0; i < 9; i += 1) await session.advance();
  assert.deepEqual(frames(session), before);
});

test("a new start is the next one; a seed takes its own", async () => {
  const session = await played(2);
  await session.newStart();
  assert.equal(session.seed, 1);
  assert.equal(session.root.tokens[0], 10);
  await session.newStart();
  assert.equal(session.root.tokens[0], 0);
  await session.newStart(7);
  assert.equal(session.root.tokens[0], 10);
});

test("a step hears the past, the tokens, an action, noise and the temperature", async () => {
  const session = await played(0);
  session.setTemperature("temperature", 0.5);
  session.setDriver("human");
  await session.advance(1);
  const { past, tokens, action, noise, temperature } = session.dream.heard;
  assert.deepEqual(past.map((block) => [...block]), [[0, 0, 0, 0, 2]]);
  assert.deepEqual([...tokens], [0, 1, 1, 1]);
  assert.deepEqual([action, noise.length, temperature], [1, 6, 0.5]);
  assert.ok(noise.every((u) => u >= 0 && u < 1) && new Set(noise).size === 6);
  assert.deepEqual([...session.cursor.past.at(-1)], [0, 1, 1, 1, 1]);
});

test("a full memory is cut, and says so", async () => {
  const session = await played(9);
  const line = lineFrom(session.root);
  assert.deepEqual(line.map((node) => node.past.length), [1, 2, 3, 4, 2, 3, 4, 2, 3, 4]);
  const refilled = line.filter((node) => node.memoryRefilled).map((node) => node.step);
  assert.deepEqual(refilled, [4, 7]);
});

test("the agent takes what its policy likes; nothing pressed is NOOP", async () => {
  const session = await played(30);
  const taken = new Set(lineFrom(session.root).slice(1).map((node) => node.action));
  assert.deepEqual([...taken].sort(), [1, 2]);
  session.setDriver();
  await session.advance();
  assert.equal(session.cursor.action, 0);
  assert.throws(() => session.setDriver("nobody"), /Unknown driver "nobody"/);
  await assert.rejects(session.advance(3), /Action 3 does not exist; there are 3/);
});

test("return and LSTM state go along the path", async () => {
  const session = await played(8);
  const rewards = session.cursor.path().map((node) => node.reward);
  assert.equal(session.cursor.total, rewards.reduce((a, b) => a + b));
  assert.equal(session.cursor.lstm.h[0], 9);
});

test("back, seek and forth along the line cost no step", async () => {
  const session = await played(5);
  session.back();
  assert.deepEqual([session.cursor.step, session.playing], [4, false]);
  session.seek(99);
  assert.equal(session.cursor.step, 5);
  session.seek(0);
  session.back();
  assert.equal(session.cursor.step, 0);
  for (let i = 0; i < 5; i += 1) await session.advance();
  assert.equal(session.dream.steps, 5);
});

test("a branch starts where it is asked for, and by a human's action", async () => {
  const session = await played(5);
  session.seek(2);
  session.branch();
  await session.advance();
  assert.equal(leavesFrom(session.root).length, 2);
  session.seek(1);
  session.setDriver("human");
  await session.advance(0);
  assert.equal(leavesFrom(session.root).length, 3);
  session.seek(0);
  await session.advance(); // nothing pressed: along the line
  assert.equal(leavesFrom(session.root).length, 3);
});

test("branches are changed at the same step", async () => {
  const session = await played(5);
  session.seek(2);
  session.branch();
  await session.advance();
  await session.advance();
  const second = session.cursor;
  session.changeBranch(-1);
  assert.equal(session.cursor.step, 4);
  assert.notEqual(session.cursor, second);
  session.changeBranch(1);
  assert.equal(session.cursor, second);
  session.changeBranch(1); // around
  session.selectBranch(1);
  assert.equal(session.cursor, second);
});

test("painting starts one branch, until the next step", async () => {
  const session = await played(3);
  const old = session.cursor;
  await session.paint(1, 5);
  await session.paint(2, 6);
  assert.deepEqual([...session.cursor.tokens].slice(1, 3), [5, 6]);
  assert.equal(leavesFrom(session.root).length, 2);
  assert.deepEqual([session.cursor.step, session.cursor.expected], [3, null]);
  assert.deepEqual(session.cursor.lstm, old.lstm);
  await session.advance();
  session.back();
  await session.paint(3, 7);
  assert.equal(leavesFrom(session.root).length, 3);
  assert.equal(session.numNodes, allFrom(session.root).length);
});

test("painting the first frame starts another dream from there", async () => {
  const session = await played(3);
  session.seek(0);
  await session.paint(0, 9);
  assert.deepEqual([...session.root.tokens], [9, 1, 1, 1]);
  assert.equal(session.numNodes, 1);
  await session.reset();
  assert.equal(session.root.tokens[0], 9);
  await session.newStart(0);
  assert.equal(session.root.tokens[0], 0);
  await assert.rejects(session.paint(4, 0), /no token 4 .* 4 tokens, of 64 codes/);
  await assert.rejects(session.paint(0, 64), /no token 0 with code 64/);
});

test("after the end it stands still until it starts again", async () => {
  const session = await played(0, { endsAt: 2 });
  while (!session.cursor.end) await session.advance();
  const { step } = session.cursor;
  await session.advance();
  assert.deepEqual([session.cursor.step, session.playing], [step, false]);
  session.playOrPause();
  assert.equal(session.playing, false);
  await session.reset();
  assert.equal(session.playing, true);
});

test("the oldest nodes go when there are too many", async () => {
  const session = await played(300, { maxNodes: 50 });
  assert.ok(session.numNodes <= 50 && session.root.step > 200);
  assert.equal(session.root.parent, null);
  assert.equal(session.cursor.step, 300);
  assert.equal(session.numNodes, allFrom(session.root).length);
  session.seek(0);
  assert.equal(session.cursor, session.root);
});

test("many branches of one node are kept within bounds", async () => {
  const session = await played(3, { maxNodes: 20 });
  for (let i = 0; i < 60; i += 1) {
    session.back();
    session.branch();
    await session.advance();
  }
  assert.ok(session.numNodes <= 21);
});

test("speeds and temperatures keep their range", async () => {
  const session = await played(0);
  for (let i = 0; i < 9; i += 1) session.changeSpeed(1);
  assert.equal(session.speed, 120);
  for (let i = 0; i < 9; i += 1) session.changeSpeed(-1);
  assert.equal(session.speed, 2);
  assert.throws(() => session.setTemperature("temperature", 0), /temperature is 0; it must be/);
});

test("numbers are uniform, exact in float32, and sampled by their probabilities", () => {
  const random = seeded(3);
  const drawn = Array.from({ length: 20000 }, random);
  const mean = drawn.reduce((a, b) => a + b) / drawn.length;
  assert.ok(Math.abs(mean - 0.5) < 0.01);
  assert.ok(drawn.every((u) => u >= 0 && u < 1 && Math.fround(u) === u));
  const counts = [0, 0, 0];
  for (let i = 0; i < 20000; i += 1) counts[sample([0.2, 0, 0.8], 1, random)] += 1;
  assert.equal(counts[1], 0);
  assert.ok(Math.abs(counts[0] / 20000 - 0.2) < 0.02);
  for (let i = 0; i < 99; i += 1) assert.equal(sample([0.4, 0, 0.6], 1e-6, random), 2);
});
