// Shows a session of play and listens. Frames are asked for, at most two ahead: one is
// computed while the other travels, and neither side is ever flooded.

const SHOWN = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", " ": "space" };
const AHEAD = 2;
const CLICKED = ["tokens", "surprise", "tree", "timeline"];
// What tests and measurements read off the page
const ANNOUNCED = ["step", "action", "playing", "place", "driver", "branches", "end", "parted"];

// A button sends its data-command, an input its name with its value and shows the state
// of that name; a data-part is filled by showState or learn.
const HTML = `
<div class="header">
  <span class="title" data-part="title"></span><span data-part="header"></span>
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
  <button data-command="here">dream from here</button>
  <button data-command="twin" data-part="twin">real game beside it</button>
</div>
<pre class="error" data-part="error" hidden></pre>
<div class="pictures" data-part="pictures"></div>
<div data-part="line"></div>
<div class="row over" data-part="over" hidden>
  The episode is over. Save it?
  <button data-command="save">video and arrays</button>
  <button data-command="keep">into the replay</button>
  <button data-command="new">no: a new start</button>
</div>
<div class="row">
  <button data-command="first">|◀</button> <button data-command="back">◀ back</button>
  <button data-command="play" data-part="play"></button>
  <button data-command="step">step ▶</button> <button data-command="last">▶|</button>
  <button data-command="slower">−</button> <span data-part="speed"></span>
  <button data-command="faster">+</button>
  <progress data-part="bar"></progress> <span class="small" data-part="memory"></span>
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
    this.view = Math.random().toString(36).slice(2);
    this.questions = [];
    this.asked = []; // when the questions under way were asked
    this.lastAsked = 0;
    this.drawnAt = [];
    this.canvases = new Map();
    this.keysDown = new Set();
    this.keysTapped = new Set(); // went down since they were last sent
    this.heldAction = null;
    this.build(el);
    this.hear = (header, buffers) => this.receive(header, buffers[0]);
    model.on("msg:custom", this.hear);
    this.tell("hello");
    this.tell("look");
  }

  build(el) {
    const root = make("div", el, { className: "iris-player", tabIndex: 0, innerHTML: HTML });
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab takes keys for itself
    const parts = [...root.querySelectorAll("[data-part]")];
    this.root = root;
    this.parts = Object.fromEntries(parts.map((part) => [part.dataset.part, part]));
    this.inputs = [...root.querySelectorAll("[name]")];
    this.parts.error.addEventListener("click", () => (this.parts.error.hidden = true));
    root.addEventListener("click", (event) => this.press(event.target.dataset));
    root.addEventListener("change", ({ target }) => this.enter(target));
    root.addEventListener("keydown", (event) => this.keyDown(event));
    root.addEventListener("keyup", (event) => this.keysDown.delete(keyOf(event)));
    root.addEventListener("focusout", () => this.keysDown.clear());
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.tick);
    this.model.off("msg:custom", this.hear);
  }

  // Asking and being answered

  tell(command, ...args) {
    this.questions.push({ do: command, args });
    this.ask();
  }

  ask() {
    while (this.asked.length < AHEAD && this.questions.length && !this.closed) {
      this.asked.push({ at: performance.now(), alone: !this.asked.length });
      this.model.send({ ...this.questions.shift(), view: this.view });
    }
  }

  receive(header, buffer) {
    const answered = performance.now();
    const mine = header.view === this.view;
    if (header.kind === "frame" && this.panels) this.draw(header, buffer);
    if (!mine) return;
    const asked = this.asked.shift();
    if (header.kind === "hello") this.learn(header);
    if (header.kind === "frame") this.measure(header.ms, asked, answered);
    if (header.kind === "error") this.showError(header.text);
    if (header.kind === "file") this.offer(header, buffer);
    if (["error", "file"].includes(header.kind)) this.questions.push({ do: "look" });
    this.ask();
    this.goOn();
  }

  goOn() {
    // The next frame, when it is due
    cancelAnimationFrame(this.tick);
    if (this.closed || this.asked.length >= AHEAD || !this.state?.playing) return;
    this.tick = requestAnimationFrame((now) => {
      if (now >= this.lastAsked + 1000 / this.state.speed - 4) {
        this.lastAsked = now;
        this.tell("next", this.takeKeys(), this.heldAction);
      }
      this.goOn();
    });
  }

  measure(ms, asked, answered) {
    const now = performance.now();
    this.drawnAt = [...this.drawnAt.filter((t) => t > now - 2000), now];
    const rate = (this.drawnAt.length - 1) / ((now - this.drawnAt[0]) / 1000 || 1);
    this.times = { ...this.times, ...ms, page: now - answered };
    // A question behind another one has waited for that too
    if (asked.alone) this.times.transport = answered - asked.at - ms.model - ms.drawing;
    this.root.dataset.times = JSON.stringify({ ...this.times, rate });
    const told = Object.entries(this.times).map(([name, t]) => `${name} ${t.toFixed(1)} ms`);
    if (this.state.playing) told.push(`${rate.toFixed(0)} frames a second`);
    this.parts.times.textContent = told.join(" · ");
  }

  // Showing

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
    this.showState(state);
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
    canvas.classList.toggle("hit", CLICKED.includes(panel));
    canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      const scale = canvas.width / canvas.clientWidth;
      this.tell("click", panel, offsetX * scale, offsetY * scale);
    });
    this.canvases.set(panel, canvas);
    return canvas;
  }

  showState(s) {
    const { parts } = this;
    const [remembered, most] = s.memory;
    const recording = s.recording !== null;
    const texts = {
      title: s.title,
      header: s.header,
      driver: s.driver === "agent" ? "agent plays" : "you play",
      play: s.playing ? "❚❚ pause" : "▶ play",
      speed: `${s.speed} a second`,
      memory: `memory ${remembered} of ${most}`,
      branch: `branch ${s.branch} of ${s.branches}`,
      record: recording ? `■ stop (${s.recording})` : "● record",
      token: `token ${s.token}, code`,
      saved: s.saved ? `saved: ${s.saved}` : "",
    };
    const on = { driver: s.driver === "human", record: recording, twin: s.twin, bar: s.refreshed };
    const shown = { episode: s.place === "replay", over: s.end, editor: s.token !== null };
    for (const [name, text] of Object.entries(texts)) {
      if (parts[name].textContent !== text) parts[name].textContent = text;
    }
    for (const name in on) parts[name].classList.toggle("on", on[name]);
    for (const name in shown) parts[name].hidden = !shown[name];
    Object.assign(parts.bar, { value: remembered, max: most });
    for (const input of this.inputs) {
      if (input.type === "checkbox") input.checked = s.panels.includes(input.name);
      else if (document.activeElement !== input) input.value = s[input.name];
    }
    for (const name of ANNOUNCED) this.root.dataset[name] = s[name];
  }

  showError(text) {
    this.parts.error.hidden = false;
    this.parts.error.textContent = `${text}\n(click to close)`;
  }

  offer({ name, saved }, buffer) {
    const type = name.endsWith(".mp4") ? "video/mp4" : "image/png";
    const href = URL.createObjectURL(new Blob([buffer], { type }));
    const link = { href, download: name, textContent: `⤓ ${name}`, title: saved };
    make("a", this.parts.files, link);
  }

  learn({ actions, keys, commands, panels, episodes }) {
    this.actionKeys = Object.values(keys).flat();
    this.commandKeys = commands;
    this.panels = panels;
    actions.forEach((name, i) => this.addAction(name, i));
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
      for (const name of names) make("kbd", line, { textContent: SHOWN[name] ?? name });
      line.append(` ${text}`);
    }
  }

  addAction(name, i) {
    const made = make("button", this.parts.actions, { textContent: name, className: "action" });
    made.dataset.action = i;
    made.addEventListener("pointerdown", () => {
      if (this.state.playing && this.state.driver === "human") this.heldAction = i;
      else this.tell("act", i);
    });
    for (const up of ["pointerup", "pointerleave", "pointercancel"]) {
      made.addEventListener(up, () => (this.heldAction = null));
    }
  }

  // Buttons, inputs, keys

  press({ command, by }) {
    if (!command) return;
    const { code, codes } = this.state ?? {};
    this.tell(command, ...(by ? [(code + Number(by) + codes) % codes] : []));
    this.root.focus({ preventScroll: true }); // the space bar is the game's
  }

  enter({ name, type, value }) {
    if (type === "checkbox") this.tell("panel", name);
    else this.tell(name, type === "number" ? Number(value) : value);
    if (type.startsWith("select")) this.root.focus();
  }

  takeKeys() {
    const held = [...new Set([...this.keysDown, ...this.keysTapped])];
    this.keysTapped.clear();
    return held;
  }

  keyDown(event) {
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
      if (paused) this.tell("step", this.takeKeys());
    } else if (this.commandKeys?.[key]) {
      event.preventDefault();
      const [command] = this.commandKeys[key];
      if (!event.repeat || ["step", "back"].includes(command)) this.tell(command);
    }
  }
}

function render({ model, el }) {
  const page = new Page(model, el);
  return () => page.close();
}

export default { render };
