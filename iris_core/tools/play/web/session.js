// A session of play in a dream: who acts, and the tree of everything played. It draws nothing
// and knows no page. iris_core/tools/play/session.py does the same with a kernel.

import { sample, seeded } from "./random.js";
import { Refusal } from "./refusal.js";
import { allFrom, leavesFrom, lineFrom, Node } from "./tree.js";

export const MAX_NODES = 2500;
export const SPEEDS = [2, 5, 10, 15, 30, 60, 120]; // frames a second
const COLDEST = 1e-6; // temperature; below, logits leave float32

export class Session {
  // dream: what dream.js opens, `agent` its agent.json. Await `reset` before anything else.
  constructor(dream, { seed = 0, maxNodes = MAX_NODES } = {}) {
    const { agent } = dream;
    Object.assign(this, { dream, agent, seed, maxNodes });
    this.driver = "agent";
    this.playing = true;
    this.speed = 30;
    this.temperature = agent.temperature;
    this.policyTemperature = 1;
    this.token = null; // the selected one
    this.origin = null; // where the dream starts; null: by the seed
    this.root = this.cursor = null;
  }

  // Settings

  async reset() {
    // The same start and the same seed; an episode that was over plays again at once
    this.random = seeded(this.seed);
    this.branching = false;
    this.playing ||= this.cursor?.end ?? false;
    this.origin ??= this.agent.starts[this.seed % this.agent.starts.length];
    const { tokens, actions, h, c } = this.origin;
    const blocks = actions.map((action, i) => Int32Array.of(...tokens[i], action));
    const first = { tokens: Int32Array.from(tokens.at(-1)), past: this.dream.recent(blocks) };
    const lstm = { h: Float32Array.from(h), c: Float32Array.from(c) };
    const start = { ...first, reward: 0, end: false, expected: null };
    this.root = this.cursor = new Node({ ...start, ...(await this.dream.look(start.tokens, lstm)) });
    this.numNodes = 1;
  }

  async newStart(seed = this.seed + 1) {
    this.seed = seed;
    this.origin = null;
    await this.reset();
  }

  setDriver(driver = this.driver === "agent" ? "human" : "agent") {
    if (!["agent", "human"].includes(driver)) {
      throw new Refusal(`Unknown driver "${driver}": choose agent or human.`);
    }
    this.driver = driver;
  }

  setTemperature(name, value) {
    if (!(value >= COLDEST)) {
      throw new Refusal(`temperature is ${value}; it must be above 0, ${COLDEST} or more.`);
    }
    this[name] = value;
  }

  changeSpeed(by) {
    const index = SPEEDS.indexOf(this.speed) + by;
    this.speed = SPEEDS[Math.min(Math.max(index, 0), SPEEDS.length - 1)];
  }

  // Acting

  playOrPause() {
    this.playing = !this.playing && !this.cursor.end;
  }

  async advance(action = null) {
    // One step: along the line as far as it goes, and then a new one. A human's action
    // starts a branch in the middle of the line.
    const given = this.driver === "agent" ? null : action;
    if (this.cursor.end) this.playing = false;
    else if (this.cursor.next && !this.branching && given === null) this.cursor = this.cursor.next;
    else await this.act(this.driver === "agent" ? this.sampleAction() : given ?? 0);
  }

  sampleAction() {
    return sample(this.cursor.probs, this.policyTemperature, this.random);
  }

  async act(action) {
    const { dream, cursor } = this;
    if (action >= this.agent.actions.length) {
      const count = this.agent.actions.length;
      throw new Refusal(`Action ${action} does not exist; there are ${count}.`);
    }
    const noise = Float32Array.from({ length: cursor.tokens.length + 2 }, this.random);
    const found = await dream.step(cursor.past, cursor.tokens, action, noise, this.temperature);
    const seen = await dream.look(found.tokens, cursor.lstm);
    this.addNode(new Node({ ...found, ...seen }, cursor, action));
  }

  // The tree

  addNode(node) {
    this.cursor.children.push(node);
    this.cursor.next = node;
    this.cursor = node;
    this.branching = false;
    this.numNodes += 1;
    if (this.numNodes > this.maxNodes) this.dropOldest();
  }

  dropOldest() {
    // A tenth of the path, and the branches that start there
    const path = this.cursor.path();
    this.root = path[Math.min(Math.floor(path.length / 10) + 1, path.length - 1)];
    this.root.parent = null;
    this.numNodes = allFrom(this.root).length;
  }

  goTo(node) {
    this.cursor = node;
    this.playing = this.branching = false;
  }

  back() {
    this.goTo(this.cursor.parent ?? this.cursor);
  }

  seek(step) {
    // To a step of the line, or as near as there is
    const line = lineFrom(this.root);
    this.goTo(line[Math.min(Math.max(step - line[0].step, 0), line.length - 1)]);
  }

  branch() {
    // The next step will be a new one, although the line goes on
    this.branching = !this.cursor.end;
  }

  selectBranch(number) {
    // Another branch, at the same step if it has one
    const leaves = leavesFrom(this.root);
    const { step } = this.cursor;
    const path = leaves[((number % leaves.length) + leaves.length) % leaves.length].path();
    path.slice(1).forEach((child, i) => (path[i].next = child));
    this.seek(step);
  }

  changeBranch(by) {
    this.selectBranch(leavesFrom(this.root).indexOf(lineFrom(this.root).at(-1)) + by);
  }

  async paint(token, code) {
    // Change a token of the frame: the first time in a branch, and in the first frame in a
    // new dream, from there on
    const old = this.cursor;
    const [count, { codes }] = [old.tokens.length, this.agent];
    if (token >= count || code >= codes) {
      throw new Refusal(
        `There is no token ${token} with code ${code}: a frame has ${count} tokens, of ${codes} codes.`,
      );
    }
    const tokens = old.tokens.with(token, code);
    this.playing = false;
    if (old.parent === null) {
      this.origin = { ...this.origin, tokens: this.origin.tokens.with(-1, tokens) };
      return this.reset();
    }
    const { past, reward, end, parent, action } = old;
    const seen = await this.dream.look(tokens, parent.lstm);
    const node = new Node({ tokens, past, reward, end, expected: null, ...seen }, parent, action);
    if (old.painted && !old.children.length) {
      parent.children.splice(parent.children.indexOf(old), 1);
      this.numNodes -= 1;
    }
    node.painted = true;
    this.cursor = parent;
    this.addNode(node);
  }
}
