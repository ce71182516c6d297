// From keys to actions.

import assert from "node:assert/strict";
import test from "node:test";

import { actionOf, buttonsOf, gamepadKeys } from "../../../../iris_core/tools/play/web/keys.js";

const PONG = ["NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"];
const BUTTONS = {
  ...{ NOOP: [], FIRE: ["FIRE"], RIGHT: ["RIGHT"], LEFT: ["LEFT"] },
  ...{ RIGHTFIRE: ["RIGHT", "FIRE"], LEFTFIRE: ["LEFT", "FIRE"] },
};
const KEYS = { LEFT: ["ArrowLeft", "a"], RIGHT: ["ArrowRight", "d", "ArrowUp"], FIRE: [" "] };

function act(...keys) {
  return actionOf(buttonsOf(new Set(keys), KEYS), PONG, BUTTONS);
}

test("keys become the action that needs most of them", () => {
  assert.equal(act(), null);
  assert.equal(act("q"), null); // no key of the game
  assert.equal(PONG[act("d")], "RIGHT");
  assert.equal(PONG[act("ArrowUp")], "RIGHT"); // where the paddle goes
  assert.equal(PONG[act(" ")], "FIRE");
  assert.equal(PONG[act("a", " ")], "LEFTFIRE");
  assert.equal(PONG[act("a", "d", " ")], "RIGHTFIRE"); // the first of two
});

test("what is held of no action alone does nothing", () => {
  assert.equal(actionOf(["UP"], ["NOOP", "UPFIRE"], { NOOP: [], UPFIRE: ["UP", "FIRE"] }), 0);
});

test("a gamepad stands for keys", () => {
  const button = (pressed) => ({ pressed });
  const pad = { axes: [-1, 0.1], buttons: [button(true), ...Array(11).fill(button(false)), button(true)] };
  Object.defineProperty(globalThis, "navigator", { value: { getGamepads: () => [null, pad] }, configurable: true });
  assert.deepEqual([...gamepadKeys()].sort(), [" ", "ArrowLeft", "ArrowUp"]);
});
