// What each panel draws of a frame's data. A panel is a function of a sheet and a view:
// {data, pictures, state, hello, colours}; it sets the sheet's size and returns nothing.

const SIDE = 288; // pixels of a panel, and of the frame in it
const WIDE = 512; // of the timeline
const LINE = 18;
const MOST_NATS = 8; // the top of the colour scale
const BLUE = "#0072b2";
const ORANGE = "#e69f00";
const VERMILLION = "#d55e00";
const VIRIDIS = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];
const INFERNO = ["#000004", "#280b53", "#65156e", "#9f2a63", "#d44842", "#f57d15", "#fac127", "#fcffa4"];

export class Sheet {
  // A canvas to draw on in CSS pixels, sharp on any screen
  constructor(canvas) {
    this.canvas = canvas;
    this.g = canvas.getContext("2d");
  }

  resize(width, height) {
    const scale = globalThis.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * scale, height: height * scale });
    this.canvas.style.aspectRatio = `${width} / ${height}`;
    this.canvas.style.width = `${width}px`;
    this.size = [width, height];
    this.g.setTransform(scale, 0, 0, scale, 0, 0);
    this.g.imageSmoothingEnabled = false;
    this.g.textBaseline = "top";
    return this.g;
  }
}

function write(g, text, x, y, colour, size = 12) {
  g.font = `${size}px system-ui, sans-serif`;
  g.fillStyle = colour;
  g.fillText(text, x, y);
}

function shade(scale, share) {
  // The colour of a share in [0, 1]
  const at = Math.min(Math.max(share, 0), 1) * (scale.length - 1);
  const [low, high] = [scale[Math.floor(at)], scale[Math.ceil(at)]].map((hex) =>
    [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)),
  );
  const mixed = low.map((part, i) => Math.round(part + (at % 1) * (high[i] - part)));
  return `rgb(${mixed.join(" ")})`;
}

function note(sheet, { colours }, text) {
  const g = sheet.resize(SIDE, 40);
  write(g, text, 4, 12, colours.faint);
}

function faded(g, { pictures, colours }, strength) {
  // The frame as its tokens show it, under what is drawn on it
  g.fillStyle = colours.paper;
  g.fillRect(0, 0, SIDE, SIDE);
  g.globalAlpha = strength;
  g.drawImage(pictures.reconstruction ?? pictures.frame, 0, 0, SIDE, SIDE);
  g.globalAlpha = 1;
}

function gridLines(g, { hello, state, colours }) {
  const cell = SIDE / hello.grid;
  g.strokeStyle = colours.line;
  g.lineWidth = 1;
  g.beginPath();
  for (let at = cell; at < SIDE - 1; at += cell) {
    g.moveTo(at, 0);
    g.lineTo(at, SIDE);
    g.moveTo(0, at);
    g.lineTo(SIDE, at);
  }
  g.stroke();
  if (state.token === null) return;
  const [x, y] = [state.token % hello.grid, Math.floor(state.token / hello.grid)];
  g.strokeStyle = VERMILLION;
  g.lineWidth = 3;
  g.strokeRect(x * cell + 1, y * cell + 1, cell - 2, cell - 2);
}

function eachCell(hello, draw) {
  const cell = SIDE / hello.grid;
  for (let i = 0; i < hello.grid ** 2; i++) {
    draw(i, (i % hello.grid) * cell, Math.floor(i / hello.grid) * cell, cell);
  }
}

function tokens(sheet, view) {
  const g = sheet.resize(SIDE, SIDE);
  faded(g, view, 0.45);
  const size = view.hello.grid > 5 ? 10 : 15;
  eachCell(view.hello, (i, x, y) => write(g, view.data.tokens[i], x + 3, y + 3, view.colours.ink, size));
  gridLines(g, view);
}

function surprise(sheet, view) {
  const nats = view.data.surprise;
  if (!nats) return note(sheet, view, "Nothing was predicted of this frame.");
  const g = sheet.resize(SIDE, SIDE);
  const large = view.hello.grid <= 5;
  faded(g, view, 1);
  g.globalAlpha = 0.7;
  eachCell(view.hello, (i, x, y, cell) => {
    g.fillStyle = shade(VIRIDIS, nats[i] / MOST_NATS);
    g.fillRect(x, y, cell, cell);
  });
  g.globalAlpha = 1;
  eachCell(view.hello, (i, x, y) => {
    const ink = nats[i] > MOST_NATS / 2 ? "#000" : "#fff";
    write(g, nats[i].toFixed(1), x + 3, y + 3, ink, large ? 15 : 10);
    const chance = 100 * Math.exp(-nats[i]);
    if (large) write(g, `${chance.toFixed(0)} %`, x + 3, y + 22, ink, 12);
  });
  gridLines(g, view);
}

function bars(sheet, { colours }, title, names, shares) {
  const step = names.length > 9 ? 17 : 24;
  const left = 112;
  const g = sheet.resize(SIDE, LINE + 6 + names.length * step);
  const most = Math.max(...shares);
  write(g, title, 2, 1, colours.ink);
  names.forEach((name, i) => {
    const y = LINE + 6 + i * step;
    const length = (SIDE - left - 40) * shares[i];
    write(g, name, 2, y, colours.ink, Math.min(12, step - 5));
    g.fillStyle = shares[i] === most ? ORANGE : BLUE;
    g.fillRect(left, y, Math.max(length, 1), step - 6);
    write(g, shares[i].toFixed(2), left + length + 5, y, colours.faint, Math.min(12, step - 5));
  });
}

function policy(sheet, view) {
  const { probs, value } = view.data.policy;
  bars(sheet, view, `value ${value.toFixed(2)}`, view.hello.actions, probs);
}

function outcome(sheet, view) {
  const found = view.data.outcome;
  if (!found) return note(sheet, view, "Nothing was predicted of this step.");
  const names = ["reward −1", "reward 0", "reward +1", "end"];
  const title = `it was: reward ${signed(view.state.reward)}${view.state.end ? ", end" : ""}`;
  bars(sheet, view, title, names, [...found.reward, found.end]);
}

function attention(sheet, view) {
  const found = view.data.attention;
  if (!found) return note(sheet, view, "There is nothing before this frame to look at.");
  const g = sheet.resize(SIDE, SIDE + 3 * LINE);
  const tile = SIDE / 2 - 4;
  const top = Math.max(...found.weights.flat()) || 1;
  const token = (view.state.token ?? 0) + 1;
  write(g, `layer ${found.layer + 1}, head ${found.head + 1}, token ${token}; brightest: ${top.toFixed(2)}`, 2, 1, view.colours.ink);
  found.weights.forEach((row, i) => {
    const [x, y] = [(i % 2) * (tile + 8), LINE + Math.floor(i / 2) * (tile + LINE)];
    heatMap(g, view.pictures[`attention${i}`], row.slice(0, -1), top, x, y, tile);
    write(g, `action ${row.at(-1).toFixed(2)}`, x, y + tile + 2, view.colours.faint);
  });
}

function heatMap(g, picture, weights, top, x, y, side) {
  // Weights of a square grid on top of a frame; roots, or the small ones are not seen
  const grid = Math.round(Math.sqrt(weights.length));
  const cell = side / grid;
  g.drawImage(picture, x, y, side, side);
  weights.forEach((weight, i) => {
    const share = Math.sqrt(weight / top);
    g.globalAlpha = 0.45 + 0.4 * share;
    g.fillStyle = shade(INFERNO, share);
    g.fillRect(x + (i % grid) * cell, y + Math.floor(i / grid) * cell, cell, cell);
  });
  g.globalAlpha = 1;
}

const ROW = 40; // of the tree

function tree(sheet, view) {
  const { steps, rows } = view.data.tree;
  const left = 44;
  const column = (SIDE - left) / steps.length;
  const tile = Math.min(column - 2, ROW - 6);
  const g = sheet.resize(SIDE, LINE + rows.length * ROW);
  steps.forEach((step, i) => write(g, step, left + i * column, 2, view.colours.faint, 10));
  rows.forEach(({ branch, total, current, cells }, row) => {
    const y = LINE + row * ROW;
    write(g, branch + 1, 2, y + 2, current ? VERMILLION : view.colours.ink, 13);
    write(g, signed(total), 2, y + 18, view.colours.faint, 11);
    for (const { column: i, shared, picture, cursor } of cells) {
      const x = left + i * column;
      g.fillStyle = view.colours.line;
      if (shared) g.fillRect(x, y + tile / 2, column, 2);
      else g.drawImage(view.pictures[picture], x, y, tile, tile);
      g.strokeStyle = VERMILLION;
      g.lineWidth = 2;
      if (cursor) g.strokeRect(x, y, tile, tile);
    }
  });
}

function twin(sheet, view) {
  const found = view.data.twin;
  if (!found) return note(sheet, view, "Only dreams that begin in the game have it beside them.");
  const { divergence, at, limit } = found;
  const [top, bottom] = [LINE + 4, 110];
  const g = sheet.resize(SIDE, bottom + 4);
  const scale = (bottom - top) / Math.max(2 * limit, ...divergence);
  const x = (i) => (i * (SIDE - 4)) / Math.max(divergence.length - 1, 1) + 2;
  write(g, "error of the worst patch, 0 to 255", 2, 1, view.colours.ink);
  g.strokeStyle = view.colours.line;
  g.strokeRect(0.5, top, SIDE - 1, bottom - top);
  g.strokeStyle = VERMILLION;
  g.setLineDash([4, 4]);
  g.beginPath();
  g.moveTo(0, bottom - scale * limit);
  g.lineTo(SIDE, bottom - scale * limit);
  g.stroke();
  g.setLineDash([]);
  g.strokeStyle = g.fillStyle = BLUE;
  g.lineWidth = 2;
  g.beginPath();
  divergence.forEach((error, i) => g.lineTo(x(i), bottom - scale * error));
  g.stroke();
  g.beginPath();
  g.arc(x(at), bottom - scale * divergence[at], 4, 0, 7);
  g.fill();
}

function timeline(sheet, { data, colours }) {
  const { length, at, rewards, forks, refills, ends } = data.timeline;
  const g = sheet.resize(WIDE, 30);
  const x = (i) => 8 + ((WIDE - 16) * i) / Math.max(length - 1, 1);
  const mark = (colour, i, width, top, height) => {
    g.fillStyle = colour;
    g.fillRect(x(i) - width / 2, top, width, height);
  };
  g.fillStyle = colours.line;
  g.fillRect(8, 13, WIDE - 16, 4);
  for (const i of refills) mark(BLUE, i, 1, 10, 10);
  for (const [i, reward] of rewards) mark(reward > 0 ? BLUE : VERMILLION, i, 5, 2, 7);
  for (const i of forks) mark(ORANGE, i, 6, 12, 6);
  for (const i of ends) mark(VERMILLION, i, 6, 10, 10);
  mark(colours.ink, at, 3, 3, 24);
}

export function signed(number) {
  // A reward or a return as text: +1, −0.5, 0
  const rounded = Math.round(1000 * Math.abs(number)) / 1000;
  return number ? `${number > 0 ? "+" : "−"}${rounded}` : "0";
}

export function cellAt(grid, x, y) {
  // The token at a point of a square, x and y in [0, 1]
  const [column, row] = [x, y].map((part) => Math.min(Math.max(Math.floor(part * grid), 0), grid - 1));
  return row * grid + column;
}

export function stepAt({ first, length }, x) {
  // The step at a point of the timeline, x in [0, 1]
  const share = Math.min(Math.max((x * WIDE - 8) / (WIDE - 16), 0), 1);
  return first + Math.round(share * (length - 1));
}

export function branchAt({ rows }, y) {
  // The branch at a height of the tree, in its pixels
  const row = Math.floor((y - LINE) / ROW);
  return rows[Math.min(Math.max(row, 0), rows.length - 1)].branch;
}

function picture(name) {
  // A picture alone, enlarged; the emulator's pixels are not square
  return (sheet, view) => {
    if (!view.pictures[name]) return note(sheet, view, "Not kept for this frame.");
    const g = sheet.resize(SIDE, SIDE);
    g.drawImage(view.pictures[name], 0, 0, SIDE, SIDE);
  };
}

export const DRAW = {
  original: picture("original"),
  reconstruction: picture("reconstruction"),
  ...{ tokens, surprise, policy, outcome, attention, tree, twin, timeline },
};
