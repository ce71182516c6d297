// The player. It asks a backend for frames, at most two ahead: one is computed while the
// other is on its way, and no queue builds up on either side. The backend is a kernel
// (tools/play/server.py) or the page's own worker (session.js); both speak one protocol.

import { actionOf, buttonsOf, gamepadKeys, keyLabel, keyOf, SCROLLING } from "./keys.js";
import { branchAt, cellAt, DRAW, Sheet, signed, stepAt } from "./panels.js";

const AHEAD = 2;
const FULL_SPEED = 120; // the next frame is asked for as soon as one is there
const OWN_PACE = 15; // steps a second of the game itself
const SILENCE = 10000; // milliseconds without an answer before it is said
const LONG_DREAM = 450; // steps after which an untouched player dreams anew
const FOLLOWING = ["hello", "look", "next"]; // commands that nobody gave
const AFTER_END = 1200; // milliseconds before it does after an end
const ZOOMS = [512, 768, 320]; // pixels of the frame
// Part of the state, for tests and measurements to read
const DATASET = ["step", "action", "playing", "place", "driver", "branches", "end", "diverged_at"];
const ABOUT_MENU = "A dream holds if what you steer is still there after 60 steps.";
const PLACES = { dream: "the dream", game: "the real game", replay: "recorded episodes" };

// A button sends its data-command; an input sends its value under its name, and shows the
// state of that name. updateParts and onHello fill in each data-part. What has data-in is
// shown in those places alone, and what the backend can't do not at all.
const HTML = `
<div class="row top">
  <button data-part="menu" data-do="menu" title="another game"></button>
  <select name="place" title="where"></select>
  <span class="status" data-part="status"></span>
  <button data-do="zoom" title="size (z)">size</button>
  <button data-do="full" title="full screen">full screen</button>
</div>
<div class="menu" data-part="agents" hidden></div>
<pre class="error" data-part="error" hidden></pre>
<div class="stage">
  <div class="left">
    <div class="screens">
      <figure class="screen" data-panel="frame"><canvas width="64" height="64"></canvas>
        <div class="overlay" data-part="overlay">loading the dream …</div>
        <figcaption data-part="caption"></figcaption></figure>
      <figure class="screen" data-panel="real" hidden><canvas width="64" height="64"></canvas>
        <figcaption>the real game, same actions</figcaption></figure>
    </div>
    <div class="parted" data-part="parted" hidden></div>
    <canvas class="timeline hit" data-part="timeline" title="go to a step"></canvas>
    <div class="row controls">
      <button class="driver" data-command="driver" data-part="driver" data-in="dream game" title="m"></button>
      <button data-command="back" title="one step back (b)">◀</button>
      <button class="play" data-command="play" data-part="play" title="play or pause (p)"></button>
      <button data-command="step" title="one step (n)">▶</button>
      <span class="pair"><button data-command="slower" title="slower (−)">−</button>
        <span class="speed" data-part="speed"></span>
        <button data-command="faster" title="faster (+)">+</button></span>
      <button data-command="new" title="another start (f)">new</button>
      <button data-command="reset" title="the same start (r)">again</button>
    </div>
    <div class="row pads" data-part="pads" data-in="dream game"></div>
    <div class="row over" data-part="over" hidden>
      The episode is over.
      <button data-command="new">another start</button>
      <button data-command="reset">again</button>
      <button data-command="save">save video and arrays</button>
      <button data-command="keep">add to the replay</button>
    </div>
    <details>
      <summary>panels, branches, settings, keys</summary>
      <div class="row" data-part="choices"></div>
      <div class="row">
        <button data-command="branch" data-in="dream game" title="x">branch here</button>
        <button data-command="earlier" title="previous branch">‹</button>
        <span data-part="branch"></span>
        <button data-command="later" title="next branch">›</button>
        <button data-command="here" data-in="game replay">dream on from here</button>
        <button data-command="twin" data-part="twin" data-in="dream">real game beside it</button>
      </div>
      <div class="row">
        <button data-command="record" data-part="record" title=","></button>
        <button data-command="save">save all so far</button>
        <button data-command="sheet">contact sheet</button>
        <span data-in="replay">
          <select name="kind" title="kind of episode"></select>
          <label>episode <input type="number" name="number" min="0"></label>
        </span>
      </div>
      <div class="row">
        <label data-in="dream">temperature of the dream
          <input name="temperature" type="number" min="0" step="0.1"></label>
        <label data-in="dream game">of the policy
          <input name="policy_temperature" type="number" min="0" step="0.1"></label>
        <label>seed <input type="number" name="seed" min="0"></label>
        <span data-part="heads">
          <label>attention: layer <input type="number" name="layer" min="1" data-from="1"></label>
          <label>head <input type="number" name="head" min="1" data-from="1"></label>
        </span>
      </div>
      <div class="keys" data-part="keys"></div>
      <div class="small" data-part="context"></div>
      <div class="small" data-part="times"></div>
    </details>
    <div class="row files" data-part="files"></div>
    <div class="small" data-part="saved"></div>
  </div>
  <div class="side" data-part="side">
    <div class="palette" data-part="palette" hidden></div>
  </div>
</div>`;

function make(tag, parent, properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  parent.append(made);
  return made;
}

class Player {
  constructor(model, el, ownPage) {
    this.model = model;
    this.ownPage = ownPage;
    this.viewId = Math.random().toString(36).slice(2);
    this.queue = [];
    this.inFlight = []; // messages without an answer, and when they were sent
    this.lastSent = 0;
    this.drawnAt = [];
    this.panels = new Map(); // name: {figure, sheet}
    this.pictures = {};
    this.keysDown = new Set();
    this.keysTapped = new Set(); // pressed since an action was last sent
    this.padsDown = new Map(); // pointer: button
    this.untouched = true;
    this.brush = null; // the code that is painted with
    this.onScreen = true;
    this.build(el);
    this.onMessage = (header, buffers) => this.onAnswer(header, buffers[0]);
    model.on("msg:custom", this.onMessage);
    this.send("hello");
    this.send("look");
    if (ownPage) this.root.focus({ preventScroll: true });
  }

  build(el) {
    const root = make("div", el, { className: "iris-player loading", tabIndex: 0, innerHTML: HTML });
    root.dataset.lmSuppressShortcuts = "true"; // or JupyterLab takes the keys
    const parts = [...root.querySelectorAll("[data-part]")];
    this.root = root;
    this.parts = Object.fromEntries(parts.map((part) => [part.dataset.part, part]));
    this.inputs = [...root.querySelectorAll("[name]")];
    this.timeline = new Sheet(this.parts.timeline);
    this.parts.error.addEventListener("click", () => (this.parts.error.hidden = true));
    root.addEventListener("click", (event) => this.onClick(event));
    root.addEventListener("change", ({ target }) => this.onInput(target));
    root.addEventListener("keydown", (event) => this.onKeyDown(event));
    root.addEventListener("keyup", (event) => this.keysDown.delete(keyOf(event)));
    root.addEventListener("focusout", () => this.keysDown.clear());
    for (const [canvas, point] of [
      [this.screen("frame"), (x, y) => this.onFrame(x, y)],
      [this.parts.timeline, (x) => this.send("seek", stepAt(this.data.timeline, x))],
    ]) this.onPoint(canvas, point);
    this.watcher = new IntersectionObserver(([{ isIntersecting }]) => {
      this.onScreen = isIntersecting;
      this.scheduleNext();
    });
    this.watcher.observe(root);
    this.clock = setInterval(() => this.checkSilence(), 1000);
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.tick);
    clearInterval(this.clock);
    clearTimeout(this.anew);
    this.watcher.disconnect();
    this.model.off("msg:custom", this.onMessage);
  }

  screen(name) {
    return this.root.querySelector(`figure[data-panel=${name}] canvas`);
  }

  // Messages

  send(command, ...args) {
    if (command === "play") this.playing = !this.playing; // known before the answer comes
    if (command === "step") this.playing = false;
    if (command === "driver") this.driver = args[0] ?? (this.driver === "agent" ? "human" : "agent");
    if (!FOLLOWING.includes(command)) this.parts.error.hidden = true; // it was read
    this.queue.push({ do: command, args });
    this.flush();
  }

  flush() {
    while (this.inFlight.length < AHEAD && this.queue.length && !this.closed) {
      const message = this.queue.shift();
      const alone = !this.inFlight.length;
      this.inFlight.push({ command: message.do, at: performance.now(), alone });
      this.model.send({ ...message, view: this.viewId });
    }
  }

  onAnswer(header, buffer) {
    const answered = performance.now();
    const mine = header.view === this.viewId;
    if (header.kind === "frame" && this.hello) this.draw(header, buffer);
    if (!mine) return;
    const sent = this.inFlight.shift();
    if (sent === this.silent) this.parts.error.hidden = true;
    if (header.kind === "hello") this.onHello(header);
    if (header.kind === "frame") this.measure(header.ms, sent, answered);
    if (header.kind === "lost") this.playing = false; // nobody is there to be asked
    if (["error", "lost"].includes(header.kind)) this.showError(header.text);
    if (header.kind === "file") this.addDownload(header, buffer);
    const changed = ["error", "file"].includes(header.kind) && sent?.command !== "look";
    if (changed) this.queue.push({ do: "look" }); // it may have changed the state
    if (header.kind === "hello" && sent?.command === "agent") this.queue.push({ do: "look" });
    this.flush();
    this.scheduleNext();
  }

  scheduleNext() {
    // Ask for the next frame when it is due
    cancelAnimationFrame(this.tick);
    if (this.closed || this.inFlight.length >= AHEAD || !this.runs()) return;
    if (this.state.speed >= FULL_SPEED) return this.sendNext(performance.now());
    this.tick = requestAnimationFrame((now) => {
      if (now >= this.lastSent + 1000 / this.state.speed - 4) this.sendNext(now);
      this.scheduleNext();
    });
  }

  runs() {
    return this.playing && this.state && this.onScreen && !this.warned && !document.hidden;
  }

  sendNext(now) {
    this.lastSent = Math.max(this.lastSent + 1000 / this.state.speed, now - 20);
    this.send("next", this.takeAction());
  }

  checkSilence() {
    // A kernel that was restarted does not answer at all
    const oldest = this.inFlight[0];
    if (this.runs()) this.scheduleNext(); // after the tab was hidden
    if (!oldest || this.silent === oldest || performance.now() - oldest.at < SILENCE) return;
    this.silent = oldest;
    const hint = this.model.hint ?? "If the kernel was restarted, run the cell again.";
    this.showError(`No answer to "${oldest.command}" for ${SILENCE / 1000} seconds. ${hint}`);
  }

  measure(ms, sent, answered) {
    const now = performance.now();
    this.drawnAt = [...this.drawnAt.filter((t) => t > now - 2000), now];
    const rate = (this.drawnAt.length - 1) / ((now - this.drawnAt[0]) / 1000 || 1);
    this.times = { ...this.times, ...ms, page: now - answered };
    // A message behind another one has waited for it too
    if (sent.alone) this.times.transport = answered - sent.at - ms.model - ms.drawing;
    this.root.dataset.times = JSON.stringify({ ...this.times, rate });
    const texts = Object.entries(this.times).map(([name, t]) => `${name} ${t.toFixed(1)} ms`);
    if (this.state.playing) texts.push(`${rate.toFixed(0)} frames a second`);
    this.parts.times.textContent = texts.join(" · ");
  }

  // Display

  draw({ pictures, state, data }, buffer) {
    let at = buffer.byteOffset;
    const drawn = {};
    for (const { name, height, width } of pictures) {
      const rgba = new Uint8ClampedArray(buffer.buffer, at, 4 * height * width);
      drawn[name] = this.picture(name, rgba, width, height);
      at += rgba.length;
    }
    if (!this.state) this.root.classList.remove("loading");
    Object.assign(this, { state, data });
    if (!this.waitsFor("play", "step")) this.playing = state.playing;
    if (!this.waitsFor("driver")) this.driver = state.driver;
    this.drawPanels(drawn);
    this.updateParts(state);
    if (this.untouched || this.warned) this.showHint();
    this.goOn(state);
  }

  waitsFor(...commands) {
    return [...this.queue.map((m) => m.do), ...this.inFlight.slice(1).map((m) => m.command)].some(
      (command) => commands.includes(command),
    );
  }

  picture(name, rgba, width, height) {
    // A canvas that holds a picture; those of the frame and of the real game are on the page
    const shown = ["frame", "real"].includes(name);
    const canvas = (this.pictures[name] ??= shown ? this.screen(name) : document.createElement("canvas"));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
    return canvas;
  }

  drawPanels(pictures) {
    const style = getComputedStyle(this.root);
    const colours = Object.fromEntries(
      ["ink", "faint", "line", "paper"].map((name) => [name, style.getPropertyValue(`--${name}`)]),
    );
    const { state, data, hello } = this;
    const view = { data, pictures, state, hello, colours };
    for (const [name, { figure, sheet }] of this.panels) {
      figure.hidden = !(name in data);
      if (name in data) DRAW[name](sheet, view);
    }
    DRAW.timeline(this.timeline, view);
    this.screen("real").parentNode.hidden = !pictures.real;
    this.drawPalette(pictures.palette);
  }

  drawPalette(strip) {
    // The codes that a click can paint with
    const { palette } = this.parts;
    palette.hidden = !strip;
    if (!strip) return void (this.shownPalette = null);
    const { codes } = this.data.palette;
    const shown = `${this.state.token} ${this.state.step} ${this.state.branch} ${codes}`;
    if (shown === this.shownPalette) return this.markBrush();
    this.shownPalette = shown;
    const side = strip.height;
    palette.replaceChildren();
    make("p", palette, { textContent: "Choose a code, then paint with it on the tokens or on the frame." });
    codes.forEach((code, i) => {
      const canvas = make("canvas", palette, { width: side, height: side, title: `code ${code}` });
      canvas.dataset.code = code;
      canvas.getContext("2d").drawImage(strip, i * side, 0, side, side, 0, 0, side, side);
    });
    this.markBrush();
  }

  markBrush() {
    for (const canvas of this.parts.palette.querySelectorAll("canvas")) {
      canvas.classList.toggle("on", Number(canvas.dataset.code) === this.brush);
    }
  }

  updateParts(s) {
    const { parts, hello } = this;
    const recording = s.recording !== null;
    const texts = {
      status: `step ${s.step} · ${s.action} · return ${signed(s.total)}${s.reward ? ` · reward ${signed(s.reward)}` : ""}`,
      driver: this.driver === "agent" ? "agent plays" : "you play",
      play: this.playing ? "❚❚" : "▶ play",
      speed: s.speed >= FULL_SPEED ? "full speed" : `${s.speed} / s`,
      context: `The world model remembers ${s.cache[0]} of ${s.cache[1]} blocks.`,
      branch: `branch ${s.branch} of ${s.branches}`,
      record: recording ? `■ stop (${s.recording})` : "● record",
      caption: s.place === "dream" ? "dreamed by the world model, frame by frame" : PLACES[s.place],
      parted: `Dream and game parted at step ${s.diverged_at}.`,
      saved: s.saved ? `saved: ${s.saved}` : "",
    };
    const on = { driver: this.driver === "human", record: recording, twin: s.twin };
    const attends = s.panels.includes("attention");
    const shown = { over: s.end, parted: s.diverged_at !== null, heads: attends };
    for (const [name, text] of Object.entries(texts)) {
      if (parts[name].textContent !== text) parts[name].textContent = text;
    }
    for (const part of this.root.querySelectorAll("[data-in]")) {
      part.hidden = !part.dataset.in.split(" ").includes(s.place);
    }
    for (const label of parts.choices.children) {
      label.hidden = !hello.panels[label.dataset.panel].places.includes(s.place);
    }
    for (const name in on) parts[name].classList.toggle("on", on[name]);
    for (const name in shown) parts[name].hidden = !shown[name];
    parts.twin.hidden ||= !s.can_twin;
    for (const command of this.root.querySelectorAll("[data-command]")) {
      if (!hello.can.includes(command.dataset.command)) command.hidden = true;
    }
    for (const input of this.inputs) {
      if (input.type === "checkbox") input.checked = s.panels.includes(input.name);
      else if (document.activeElement !== input && !this.waitsFor(input.name)) {
        input.value = input.dataset.from ? s[input.name] + Number(input.dataset.from) : s[input.name];
      }
    }
    for (const name of DATASET) this.root.dataset[name] = s[name];
  }

  goOn(s) {
    // Until somebody touches it, it dreams without end
    if (!this.untouched || this.anew || !(s.end || (s.playing && s.step >= LONG_DREAM))) return;
    this.anew = setTimeout(() => {
      this.anew = null;
      if (this.untouched && this.onScreen) this.send("new");
    }, s.end ? AFTER_END : 0);
  }

  showHint() {
    // What to press, while nobody has pressed anything
    const { overlay } = this.parts;
    const fingers = matchMedia("(pointer: coarse)").matches;
    const names = Object.entries(this.hello.keys).map(([button, [key]]) => (fingers ? button : keyLabel(key)));
    const start = this.driver === "agent" ? "The agent plays. To take over, " : "You play: ";
    overlay.textContent = this.warned
      ? "This dream flashes. Click to watch it."
      : `${start}${fingers ? "tap" : "press"} ${names.join(" ")}`;
    overlay.classList.toggle("warning", this.warned);
    overlay.hidden = false;
  }

  touch() {
    // Somebody is here
    this.untouched = false;
    if (this.warned) this.warned = false;
    this.parts.overlay.hidden = true;
    this.scheduleNext();
  }

  showError(text) {
    this.parts.error.hidden = false;
    this.parts.error.textContent = `${text}\n(click to close)`;
    this.parts.error.scrollIntoView({ block: "nearest" });
  }

  addDownload({ name, saved }, buffer) {
    const type = { mp4: "video/mp4", webm: "video/webm", png: "image/png" }[name.split(".").at(-1)];
    const href = URL.createObjectURL(new Blob([buffer], { type }));
    const link = { href, download: name, textContent: `⤓ ${name}`, title: saved };
    make("a", this.parts.files, link);
  }

  // What the backend is and can do

  onHello(hello) {
    this.hello = hello;
    for (const { figure } of this.panels.values()) figure.remove();
    this.panels.clear();
    for (const [name, { title }] of Object.entries(hello.panels)) this.addPanel(name, title);
    this.inputs = [...this.root.querySelectorAll("[name]")];
    this.fillMenu(hello);
    this.fillSelect("place", hello.places.map((place) => [place, PLACES[place]]));
    const kinds = Object.entries(hello.episodes).map(([kind, n]) => [kind, `${kind} (${n})`]);
    this.fillSelect("kind", kinds);
    this.addPads(hello);
    this.addKeys(hello);
    this.brush = null;
    this.paced = false;
    this.warned = hello.flashes;
  }

  fillSelect(name, options) {
    const select = this.root.querySelector(`[name=${name}]`);
    select.replaceChildren();
    for (const [value, textContent] of options) make("option", select, { value, textContent });
    select.hidden = options.length < 2;
  }

  fillMenu({ game, agents }) {
    const { menu, agents: list } = this.parts;
    const spaced = game.replace(/(?<=[a-z])(?=[A-Z])/g, " ");
    menu.textContent = agents.length ? `${spaced} ▾` : spaced;
    menu.disabled = !agents.length;
    list.replaceChildren();
    for (const { name, title, picture, present, flashes } of agents) {
      const card = make("button", list, { title: `${name}. ${ABOUT_MENU}` });
      card.dataset.agent = name;
      make("img", card, { src: picture, alt: "" });
      make("span", card, { textContent: title });
      const kept = present && Math.round(100 * Math.min(present.agent, present.human));
      const about = flashes ? "flashes" : present ? `${kept} % of dreams hold` : "";
      make("small", card, { textContent: about });
    }
  }

  addPanel(name, title) {
    const figure = make("figure", this.parts.side);
    figure.dataset.panel = name;
    make("figcaption", figure, { textContent: title });
    const canvas = make("canvas", figure);
    const onPoint = {
      tokens: (x, y) => this.onCell(cellAt(this.hello.grid, x, y)),
      surprise: (x, y) => this.onCell(cellAt(this.hello.grid, x, y)),
      tree: (_, y, height) => this.send("select", branchAt(this.data.tree, y * height)),
    }[name];
    if (onPoint) this.onPoint(canvas, onPoint);
    this.panels.set(name, { figure, sheet: new Sheet(canvas) });
    if (name === "tokens") figure.append(this.parts.palette);
  }

  onPoint(canvas, act) {
    // A click, or a stroke over it, as shares of the canvas, and its height as drawn
    canvas.classList.add("hit");
    const at = ({ offsetX, offsetY }) => {
      if (!this.state) return; // it is still loading
      const drawn = canvas.height / (globalThis.devicePixelRatio || 1);
      act(offsetX / canvas.clientWidth, offsetY / canvas.clientHeight, drawn);
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.releasePointerCapture?.(event.pointerId);
      this.lastCell = null;
      at(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons === 1 && this.brush !== null) at(event);
    });
  }

  addPads({ keys, panels }) {
    const { pads, choices } = this.parts;
    pads.replaceChildren();
    for (const [button, names] of Object.entries(keys)) {
      const pad = make("button", pads, { className: "pad" });
      pad.dataset.button = button;
      make("span", pad, { textContent: button });
      make("kbd", pad, { textContent: names.map(keyLabel).join(" ") });
      pad.addEventListener("pointerdown", (event) => this.onPad(button, event.pointerId));
      for (const up of ["pointerup", "pointerleave", "pointercancel"]) {
        pad.addEventListener(up, ({ pointerId }) => this.padsDown.delete(pointerId));
      }
    }
    choices.replaceChildren();
    for (const [name, { title }] of Object.entries(panels)) {
      const label = make("label", choices);
      label.dataset.panel = name;
      this.inputs.push(make("input", label, { type: "checkbox", name }));
      label.append(` ${title}`);
    }
  }

  addKeys({ keys, commands, can }) {
    this.actionKeys = new Set(Object.values(keys).flat());
    const possible = Object.entries(commands).filter(([, [command]]) => can.includes(command));
    this.commandKeys = Object.fromEntries(possible);
    const explained = possible.map(([key, [, about]]) => [about, [key]]);
    this.parts.keys.replaceChildren();
    for (const [text, names] of [...Object.entries(keys), ...explained]) {
      const line = make("div", this.parts.keys);
      for (const name of names) make("kbd", line, { textContent: keyLabel(name) });
      line.append(` ${text}`);
    }
  }

  // Acting

  takeAction() {
    // The number of the action for what is held down; null if nothing is, or the agent plays
    const keys = new Set([...this.keysDown, ...this.keysTapped, ...gamepadKeys()]);
    this.keysTapped.clear();
    const held = [...new Set([...buttonsOf(keys, this.hello.keys), ...this.padsDown.values()])];
    if (held.length) this.takeOver();
    if (this.driver === "agent") return null;
    return actionOf(held, this.hello.actions, this.hello.buttons);
  }

  takeOver() {
    // Who presses a button of the game plays it, at first at the game's own pace
    if (this.driver === "human" || this.state.place === "replay") return;
    this.send("driver", "human");
    const steps = this.paced ? 0 : Math.round(Math.log2(this.state.speed / OWN_PACE));
    for (let i = 0; i < steps; i++) this.send("slower");
    this.paced = true;
  }

  act() {
    // A button was pressed: a paused human steps by it
    this.touch();
    this.takeOver();
    if (this.state.end) return this.startAnew();
    if (!this.playing && this.driver === "human") this.send("step", this.takeAction());
  }

  onPad(button, pointer) {
    this.padsDown.set(pointer, button);
    this.act();
  }

  onCell(cell) {
    // Paint the token with the chosen code, or choose the token
    if (this.brush === null || this.state.place !== "dream") {
      if (this.playing) this.send("play");
      return this.send("token", cell);
    }
    if (cell === this.lastCell) return;
    this.lastCell = cell;
    this.send("paint", cell, this.brush);
  }

  onFrame(x, y) {
    if (this.brush !== null) return this.onCell(cellAt(this.hello.grid, x, y));
    if (this.untouched || this.warned) return; // the click goes to the overlay
    this.send("play");
  }

  // Buttons, inputs, keys

  onClick(event) {
    const target = event.target.closest("[data-command], [data-do], [data-agent], [data-code]");
    if (!this.state) return;
    this.touch();
    if (target?.dataset.do !== "menu") this.parts.agents.hidden = true;
    if (!["INPUT", "SELECT", "SUMMARY"].includes(event.target.tagName)) {
      this.root.focus({ preventScroll: true }); // so that the space bar reaches the game
    }
    if (!target) return;
    const { command, do: own, agent, code } = target.dataset;
    if (command) this.command(command);
    if (own) this[own]();
    if (agent) this.open(agent);
    if (code) {
      this.brush = this.brush === Number(code) ? null : Number(code);
      this.markBrush();
    }
  }

  startAnew() {
    // Where an episode is over, whatever plays on begins another one
    if (!this.waitsFor("new", "reset")) this.send("new");
  }

  command(name) {
    if (this.state.end && ["play", "step"].includes(name)) return this.startAnew();
    if (["slower", "faster"].includes(name)) this.paced = true;
    if (name === "step") return this.send("step", this.driver === "human" ? this.takeAction() : null);
    this.send(name);
  }

  menu() {
    this.parts.agents.hidden = !this.parts.agents.hidden;
  }

  open(agent) {
    this.parts.agents.hidden = true;
    this.send("agent", agent);
  }

  zoom() {
    this.size = ((this.size ?? 0) + 1) % ZOOMS.length;
    this.root.style.setProperty("--frame", `${ZOOMS[this.size]}px`);
  }

  full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  onInput({ name, type, value, dataset }) {
    if (!name || !this.state) return;
    if (value === "") return this.updateParts(this.state);
    if (type === "checkbox") this.send("panel", name);
    else this.send(name, type === "number" ? Number(value) - Number(dataset.from ?? 0) : value);
    if (type.startsWith("select")) this.root.focus();
  }

  onKeyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    const key = keyOf(event);
    if (SCROLLING.includes(key)) event.preventDefault();
    if (!this.hello || !this.state) return;
    if (key === "Escape") return this.leave();
    if (key === "z" && !event.repeat) return this.zoom();
    if (this.actionKeys.has(key)) {
      event.preventDefault();
      this.keysDown.add(key);
      this.keysTapped.add(key);
      this.act();
    } else if (this.commandKeys[key] || key === " ") {
      event.preventDefault();
      this.touch();
      const command = key === " " ? "play" : this.commandKeys[key][0];
      if (!event.repeat || ["step", "back"].includes(command)) this.command(command);
    }
  }

  leave() {
    // Close the menu, put the brush down, or leave the player
    if (!this.parts.agents.hidden) return this.menu();
    if (this.brush === null && this.state.token === null) return this.root.blur();
    this.brush = null;
    this.send("token", null);
  }
}

function render({ model, el, ownPage = false }) {
  const player = new Player(model, el, ownPage);
  return () => player.close();
}

export default { render };
