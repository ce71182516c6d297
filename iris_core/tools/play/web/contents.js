// What the panels say of a node: numbers, and pictures {name: {rgb, height, width}}.
// iris_core/tools/play/panels.py says the same with a kernel.

import { leavesFrom, lineFrom } from "./tree.js";

const ROWS = 6; // branches in the tree
const COLUMNS = 9; // frames of each

export const PANELS = {
  tokens: { title: "tokens and their codes", content: tokens },
  surprise: { title: "surprise, in nats", content: surprise },
  policy: { title: "policy", content: policy },
  outcome: { title: "predicted reward and end", content: outcome },
  tree: { title: "branches", content: tree },
};

export async function contents(session, names) {
  // {data, pictures} of these panels, and of what is always there
  const sources = Object.fromEntries(names.map((name) => [name, PANELS[name].content]));
  if (names.includes("tokens")) sources.palette = palette;
  const data = {};
  const pictures = { frame: picture(session.cursor.frame) };
  for (const [name, content] of Object.entries({ ...sources, timeline })) {
    const [found, more = {}] = await content(session, session.cursor);
    data[name] = found;
    Object.assign(pictures, more);
  }
  return { data, pictures };
}

function picture(rgb, width = Math.sqrt(rgb.length / 3)) {
  return { rgb, width, height: rgb.length / 3 / width };
}

function reconstruction(node) {
  return { reconstruction: picture(node.frame) }; // a dream's frame is no more than its tokens
}

function tokens(session, node) {
  return [Array.from(node.tokens), reconstruction(node)];
}

function surprise(session, node) {
  const said = node.expected && Array.from(node.expected.probs, surprisal);
  return [said, reconstruction(node)];
}

function surprisal(prob) {
  return Math.abs(Math.log(Math.min(Math.max(prob, 1e-12), 1)));
}

function policy(session, node) {
  return [{ probs: Array.from(node.probs), value: node.value }];
}

function outcome(session, { expected }) {
  return [expected && { reward: Array.from(expected.reward), end: expected.end }];
}

function tree(session, node) {
  // A row for each branch, aligned by step; a frame is shared with the row above
  const leaves = leavesFrom(session.root);
  const current = lineFrom(session.root).at(-1);
  const steps = treeSteps(leaves, node.step);
  const seen = new Set();
  const pictures = {};
  const cellOf = (shown, column) => {
    if (seen.has(shown)) return { column, shared: true };
    seen.add(shown);
    const name = `tree${seen.size}`;
    pictures[name] = picture(shown.frame);
    return { column, picture: name, cursor: shown === node };
  };
  const rowOf = (leaf, branch) => {
    const path = leaf.path();
    const cells = steps.flatMap((step, column) => {
      const shown = path[step - session.root.step];
      return shown ? [cellOf(shown, column)] : [];
    });
    return { branch, total: leaf.total, current: leaf === current, cells };
  };
  const first = Math.max(leaves.length - ROWS, 0);
  const rows = leaves.slice(first).map((leaf, i) => rowOf(leaf, first + i));
  return [{ steps, rows }, pictures];
}

function treeSteps(leaves, current) {
  // Evenly spaced from the first fork on, the current step among them
  const forks = leaves.flatMap((leaf) => leaf.path().filter((node) => node.children.length > 1));
  const root = leaves[0].path()[0];
  const first = Math.min(...(forks.length ? forks : [root]).map((node) => node.step));
  const last = Math.max(...leaves.slice(-ROWS).map((leaf) => leaf.step));
  const spaced = (i) => roundHalfEven(first + ((last - first) * i) / (COLUMNS - 1));
  const steps = [...new Set(Array.from({ length: COLUMNS }, (_, i) => spaced(i)))];
  if (first <= current && current <= last) {
    const away = steps.map((step) => Math.abs(step - current));
    steps[away.indexOf(Math.min(...away))] = current;
  }
  return steps;
}

function roundHalfEven(x) {
  return x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x); // as numpy does
}

function timeline(session, node) {
  // The line from start to end. Indices count from its first node
  const line = lineFrom(session.root);
  const found = { rewards: [], forks: [], refills: [], ends: [] };
  line.forEach((shown, i) => {
    if (shown.reward) found.rewards.push([i, shown.reward]);
    if (shown.children.length > 1) found.forks.push(i);
    if (shown.memoryRefilled) found.refills.push(i);
    if (shown.end) found.ends.push(i);
  });
  const first = line[0].step;
  return [{ length: line.length, at: node.step - first, first, ...found }];
}

let tried = {}; // the last palette: it is asked for again with every look

async function palette(session, node) {
  // The codes to paint with, as they would look at the selected token
  const { token } = session;
  if (token === null || session.playing) return [null];
  if (tried.node !== node || tried.token !== token) {
    const codes = session.agent.palette;
    const frames = await session.dream.decode(codes.map((code) => node.tokens.with(token, code)));
    tried = { node, token, codes, strip: strip(frames, token, session.agent.grid) };
  }
  return [{ codes: tried.codes }, { palette: tried.strip }];
}

function strip(frames, token, grid) {
  // The same cell of all frames, side by side
  const size = Math.sqrt(frames[0].length / 3);
  const cell = size / grid;
  const [top, left] = [Math.floor(token / grid) * cell, (token % grid) * cell];
  const width = frames.length * cell;
  const rgb = new Uint8Array(3 * cell * width);
  frames.forEach((frame, i) => {
    for (let y = 0; y < cell; y += 1) {
      const from = 3 * ((top + y) * size + left);
      rgb.set(frame.subarray(from, from + 3 * cell), 3 * (y * width + i * cell));
    }
  });
  return picture(rgb, width);
}
