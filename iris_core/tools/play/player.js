// The player's page. It asks for frames, at most two ahead: one is computed while the
// other is on its way, and no queue builds up on either side.

const ARROWS = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→" };
const KEY_LABELS = { ...ARROWS, " ": "space" };
const AHEAD = 2;
const CLICKABLE = ["tokens", "surprise", "tree", "timeline"];
// Part of the state, for tests and measurements to read
const DATASET = ["step", "action", "playing", "place", "driver", "branches", "end", "diverged_at"];

// A button sends its data-command; an input sends its value under its name, and shows the
// state of that name. updateParts and onHello fill in each data-part.
const HTML = `
<div class="header">
  <span class="title" data-part="title"></span><span data-part="status"></span>
</div>
<div class="row">
  <select name="place" title="place">
    <option value="dream">the dream</option>
    <option value="game">the real game</option>
    <option value="replay">recorded episodes</option>
  </select>
  <button data-command="driver" data-part="driver"></button>
  <span data-part="episode">
    <select name="kind" title="kind of episode"></select>
    <label>episode <input type="number" name="number" min="0"></label>
  </span>
  <button data-command="new">new start</button> <button data-command="reset">same start</button>
  <button data-command="here">dream on from here</button>
  <button data-command="twin" data-part="twin">real game beside it</button>
</div>
<pre class="error" data-part="error" hidden></pre>
<div class="pictures" data-part="pictures"></div>
<div data-part="line"></div>
<div class="row over" data-part="over" hidden>
  The episode is over. Save it?
  <button data-command="save">video and arrays</button>
  <button data-command="keep">add to the replay</button>
  <button data-command="new">no, start again</button>
</div>
<div class="row">
  <button data-command="first">|◀</button> <button data-command="back">◀ back</button>
  <button data-command="play" data-part="play"></button>
  <button data-command="step">step ▶</button> <button data-command="last">▶|</button>
  <button data-command="slower">−</button> <span data-part="speed"></span>
  <button data-command="faster">+</button>
  <progress data-part="bar"></progress> <span class="small" data-part="context"></span>
  <button data-command="record" data-part="record"></button>
  <button data-command="save">save all so far</button>
  <button data-command="sheet">contact sheet</button>
</div>
<div class="row" data-part="actions"></div>
<div class="row">
  <button data-command="branch">branch here</button>
  <button data-command="earlier">‹</button> <span data-part="branch"></span>
  <button data-command="later">›</button>
  <span data-part="editor" hidden>
    <span data-part="token"></span> <input type="number" name="code" title="code" min="0">
    <button data-command="code" data-by="-1">− 1</button>
    <button data-command="code" data-by="1">+ 1</button>
  </span>
</div>
<details>
  <summary>panels, settings, keys</summary>
  <div class="row" data-part="panels"></div>
  <div class="row">
    <label>temperature of the dream
      <input name="temperature" type="number" min="0" step="0.1"></label>
    <label>of the policy
      <input name="policy_temperature" type="number" min="0" step="0.1"></label>
    <label>seed <input type="number" name="seed" min="0"></label>
    <label>attention: layer <input type="number" name="layer" min="0"></label>
    <label>head <input type="number" name="head" min="0"></label>
  </div>
  <div class="keys" data-part="keys"></div>
</details>
<div class="row files" data-part="files"></div>
<div class="small" data-part="saved"></div>
<div class="small" data-part="times"></div>`;

function make(tag, parent, properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  parent.append(made);
  return made;
}

function keyOf(event) {
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

class Page {
  constructor(model, el) {
    this.model = model;
    this.viewId = Math.random().toString(36).slice(2);
    this.queue = [];
    this.inFlight = []; // when messages without an answer were sent
    this.lastSent = 0;
    this.drawnAt = [];
    this.canvases = new Map();
    this.keysDown = new Set();
    this.keysTapped = new Set(); // pressed since keys were last sent
    this.heldAction = null;
    this.build(el);
    this.onMessage = (header, buffers) => this.onAnswer(header, buffers[0]);
    model.on("msg:custom", this.onMessage);
    this.send("hello");
    this.send("look");
  }

  build(el) {
    const root = make("div", el, { className: "iris-player", tabIndex: 0, innerHTML: HTML });
    root.dataset.lmSuppressShortcuts = "true"; // or JupyterLab takes the keys
    const parts = [...root.querySelectorAll("[data-part]")];
    this.root = root;
    this.parts = Object.fromEntries(parts.map((part) => [part.dataset.part, part]));
    this.inputs = [...root.querySelectorAll("[name]")];
    this.parts.error.addEventListener("click", () => (this.parts.error.hidden = true));
    root.addEventListener("click", (event) => this.onButton(event.target.dataset));
    root.addEventListener("change", ({ target }) => this.onInput(target));
    root.addEventListener("keydown", (event) => this.onKeyDown(event));
    root.addEventListener("keyup", (event) => this.keysDown.delete(keyOf(event)));
    root.addEventListener("focusout", () => this.keysDown.clear());
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.tick);
    this.model.off("msg:custom", this.onMessage);
  }

  // Messages

  send(command, ...args) {
    this.queue.push({ do: command, args });
    this.flush();
  }

  flush() {
    while (this.inFlight.length < AHEAD && this.queue.length && !this.closed) {
      this.inFlight.push({ at: performance.now(), alone: !this.inFlight.length });
      this.model.send({ ...this.queue.shift(), view: this.viewId });
    }
  }

  onAnswer(header, buffer) {
    const answered = performance.now();
    const mine = header.view === this.viewId;
    if (header.kind === "frame" && this.panels) this.draw(header, buffer);
    if (!mine) return;
    const sent = this.inFlight.shift();
    if (header.kind === "hello") this.onHello(header);
    if (header.kind === "frame") this.measure(header.ms, sent, answered);
    if (header.kind === "error") this.showError(header.text);
    if (header.kind === "file") this.addDownload(header, buffer);
    if (["error", "file"].includes(header.kind)) this.queue.push({ do: "look" });
    this.flush();
    this.scheduleNext();
  }

  scheduleNext() {
    // Ask for the next frame when it is due
    cancelAnimationFrame(this.tick);
    if (this.closed || this.inFlight.length >= AHEAD || !this.state?.playing) return;
    this.tick = requestAnimationFrame((now) => {
      if (now >= this.lastSent + 1000 / this.state.speed - 4) {
        this.lastSent = now;
        this.send("next", this.takeKeys(), this.heldAction);
      }
      this.scheduleNext();
    });
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

  draw({ pictures, state }, buffer) {
    let at = buffer.byteOffset;
    for (const [, canvas] of this.canvases) canvas.parentNode.hidden = true;
    for (const { panel, height, width } of pictures) {
      const rgba = new Uint8ClampedArray(buffer.buffer, at, 4 * height * width);
      const canvas = this.canvas(panel, height, width);
      canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
      canvas.parentNode.hidden = false;
      at += rgba.length;
    }
    this.state = state;
    this.updateParts(state);
  }

  canvas(panel, height, width) {
    const canvas = this.canvases.get(panel) ?? this.newCanvas(panel);
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
      const emulator = height === 210 && width === 160; // its pixels are not square
      const zoom = panel === "frame" ? 384 / height : height === 64 ? 4 : 1;
      canvas.style.width = `${emulator ? 256 : width * zoom}px`;
      canvas.style.height = emulator ? "256px" : "auto";
    }
    return canvas;
  }

  newCanvas(panel) {
    const figure = make("figure", panel in this.panels ? this.parts.pictures : this.parts.line);
    figure.dataset.panel = panel;
    if (panel in this.panels) make("figcaption", figure, { textContent: this.panels[panel] });
    const canvas = make("canvas", figure);
    canvas.classList.toggle("hit", CLICKABLE.includes(panel));
    canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      const scale = canvas.width / canvas.clientWidth;
      this.send("click", panel, offsetX * scale, offsetY * scale);
    });
    this.canvases.set(panel, canvas);
    return canvas;
  }

  updateParts(s) {
    const { parts } = this;
    const [cached, size] = s.cache;
    const recording = s.recording !== null;
    const texts = {
      title: s.title,
      status: s.status,
      driver: s.driver === "agent" ? "agent plays" : "you play",
      play: s.playing ? "❚❚ pause" : "▶ play",
      speed: `${s.speed} a second`,
      context: `context ${cached} of ${size}`,
      branch: `branch ${s.branch} of ${s.branches}`,
      record: recording ? `■ stop (${s.recording})` : "● record",
      token: `token ${s.token}, code`,
      saved: s.saved ? `saved: ${s.saved}` : "",
    };
    const on = { driver: s.driver === "human", record: recording, twin: s.twin };
    const shown = { episode: s.place === "replay", over: s.end, editor: s.token !== null };
    for (const [name, text] of Object.entries(texts)) {
      if (parts[name].textContent !== text) parts[name].textContent = text;
    }
    for (const name in on) parts[name].classList.toggle("on", on[name]);
    for (const name in shown) parts[name].hidden = !shown[name];
    parts.bar.classList.toggle("on", s.cache_refilled);
    Object.assign(parts.bar, { value: cached, max: size });
    for (const input of this.inputs) {
      if (input.type === "checkbox") input.checked = s.panels.includes(input.name);
      else if (document.activeElement !== input) input.value = s[input.name];
    }
    for (const name of DATASET) this.root.dataset[name] = s[name];
  }

  showError(text) {
    this.parts.error.hidden = false;
    this.parts.error.textContent = `${text}\n(click to close)`;
  }

  addDownload({ name, saved }, buffer) {
    const type = name.endsWith(".mp4") ? "video/mp4" : "image/png";
    const href = URL.createObjectURL(new Blob([buffer], { type }));
    const link = { href, download: name, textContent: `⤓ ${name}`, title: saved };
    make("a", this.parts.files, link);
  }

  onHello({ actions, keys, commands, panels, episodes }) {
    this.actionKeys = Object.values(keys).flat();
    this.commandKeys = commands;
    this.panels = panels;
    actions.forEach((name, i) => this.addActionButton(name, i));
    for (const [name, title] of Object.entries(panels)) {
      const label = make("label", this.parts.panels);
      this.inputs.push(make("input", label, { type: "checkbox", name }));
      label.append(` ${title}`);
    }
    const kinds = this.root.querySelector("[name=kind]");
    for (const [value, count] of Object.entries(episodes)) {
      make("option", kinds, { value, textContent: `${value} (${count})` });
    }
    const explained = Object.entries(commands).map(([key, [, about]]) => [about, [key]]);
    for (const [text, names] of [...Object.entries(keys), ...explained]) {
      const line = make("div", this.parts.keys);
      for (const name of names) make("kbd", line, { textContent: KEY_LABELS[name] ?? name });
      line.append(` ${text}`);
    }
  }

  addActionButton(name, i) {
    const made = make("button", this.parts.actions, { textContent: name, className: "action" });
    made.dataset.action = i;
    made.addEventListener("pointerdown", () => {
      if (this.state.playing && this.state.driver === "human") this.heldAction = i;
      else this.send("act", i);
    });
    for (const up of ["pointerup", "pointerleave", "pointercancel"]) {
      made.addEventListener(up, () => (this.heldAction = null));
    }
  }

  // Buttons, inputs, keys

  onButton({ command, by }) {
    if (!command) return;
    const { code, codes } = this.state ?? {};
    this.send(command, ...(by ? [(code + Number(by) + codes) % codes] : []));
    this.root.focus({ preventScroll: true }); // so that the space bar reaches the game
  }

  onInput({ name, type, value }) {
    if (type === "checkbox") this.send("panel", name);
    else this.send(name, type === "number" ? Number(value) : value);
    if (type.startsWith("select")) this.root.focus();
  }

  takeKeys() {
    const held = [...new Set([...this.keysDown, ...this.keysTapped])];
    this.keysTapped.clear();
    return held;
  }

  onKeyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    const key = keyOf(event);
    if (key === "Escape") return this.root.blur();
    if (this.actionKeys?.includes(key)) {
      event.preventDefault();
      this.keysDown.add(key);
      this.keysTapped.add(key);
      const paused = !this.state.playing && this.state.driver === "human";
      if (paused) this.send("step", this.takeKeys());
    } else if (this.commandKeys?.[key]) {
      event.preventDefault();
      const [command] = this.commandKeys[key];
      if (!event.repeat || ["step", "back"].includes(command)) this.send(command);
    }
  }
}

function render({ model, el }) {
  const page = new Page(model, el);
  return () => page.close();
}

export default { render };
