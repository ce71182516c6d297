// Shows a session of play and listens. Frames are asked for, at most two ahead: one is
// computed while the other travels, and neither side is ever flooded.

const SHOWN = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", " ": "space" };
const PLACES = { dream: "the dream", game: "the real game", replay: "recorded episodes" };
const AHEAD = 2;
const CLICKED = ["tokens", "surprise", "tree", "timeline"];

function make(tag, parent, properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  if (parent) parent.append(made);
  return made;
}

function keyOf(event) {
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

class Keyboard {
  // Keys that are down, and those that went down and up between two questions.
  constructor() {
    this.down = new Set();
    this.tapped = new Set();
  }
  press(key) {
    this.down.add(key);
    this.tapped.add(key);
  }
  release(key) {
    this.down.delete(key);
  }
  take() {
    const held = [...new Set([...this.down, ...this.tapped])];
    this.tapped.clear();
    return held;
  }
}

class Page {
  constructor(model, el) {
    this.model = model;
    this.view = Math.random().toString(36).slice(2);
    this.keyboard = new Keyboard();
    this.questions = [];
    this.asked = []; // when the questions under way were asked
    this.state = null;
    this.canvases = new Map();
    this.inputs = [];
    this.heldAction = null;
    this.lastAsked = 0;
    this.drawnAt = [];
    this.build(el);
    this.hear = (header, buffers) => this.receive(header, buffers);
    model.on("msg:custom", this.hear);
    this.tell("hello");
    this.tell("look");
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.tick);
    this.model.off("msg:custom", this.hear);
  }

  // Asking and being answered

  tell(command, value = null, more = {}) {
    this.questions.push({ do: command, value, ...more });
    this.ask();
  }

  ask() {
    while (this.asked.length < AHEAD && this.questions.length && !this.closed) {
      this.asked.push({ at: performance.now(), alone: !this.asked.length });
      this.model.send({ ...this.questions.shift(), view: this.view });
    }
  }

  receive(header, buffers) {
    const answered = performance.now();
    const mine = header.view === this.view;
    if (header.kind === "hello" && mine) this.learn(header);
    if (header.kind === "frame") this.draw(header, buffers[0]);
    if (header.kind === "error" && mine) this.showError(header.text);
    if (header.kind === "file" && mine) this.offer(header, buffers[0]);
    if (!mine) return;
    const asked = this.asked.shift();
    if (header.kind === "frame") this.measure(header.ms, asked, answered);
    if (header.kind === "error" || header.kind === "file") this.questions.push({ do: "look" });
    this.ask();
    this.goOn();
  }

  goOn() {
    // The next frame, when it is due
    cancelAnimationFrame(this.tick);
    if (this.closed || this.asked.length >= AHEAD || !this.state?.playing) return;
    this.tick = requestAnimationFrame((now) => {
      const due = this.lastAsked + 1000 / this.state.speed - 4;
      if (now >= due) {
        this.lastAsked = now;
        this.tell("next", null, { held: this.keyboard.take(), action: this.heldAction });
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
    this.parts.textContent = told.join(" · ");
  }

  // Drawing

  draw(header, buffer) {
    const bytes = new Uint8ClampedArray(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    let at = 0;
    const shown = new Set();
    for (const { panel, title, height, width } of header.pictures) {
      const size = 4 * height * width;
      const canvas = this.canvas(panel, title, height, width);
      const image = new ImageData(bytes.slice(at, at + size), width, height);
      canvas.getContext("2d").putImageData(image, 0, 0);
      shown.add(panel);
      at += size;
    }
    for (const [panel, canvas] of this.canvases) canvas.parentNode.hidden = !shown.has(panel);
    this.state = header.state;
    this.showState();
  }

  canvas(panel, title, height, width) {
    if (!this.canvases.has(panel)) {
      const figure = make("figure", panel === "timeline" ? this.line : this.pictures);
      figure.dataset.panel = panel;
      if (panel !== "timeline") make("figcaption", figure, { textContent: title });
      const canvas = make("canvas", figure);
      if (CLICKED.includes(panel)) {
        canvas.classList.add("hit");
        canvas.addEventListener("click", (event) => this.click(panel, event));
      }
      this.canvases.set(panel, canvas);
    }
    const canvas = this.canvases.get(panel);
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
      const emulator = height === 210 && width === 160; // its pixels are not square
      const zoom = panel === "frame" ? 384 / height : height === 64 ? 4 : 1;
      canvas.style.width = `${emulator ? 256 : width * zoom}px`;
      canvas.style.height = emulator ? "256px" : "auto";
    }
    return canvas;
  }

  click(panel, event) {
    const canvas = event.target;
    const scale = canvas.width / canvas.clientWidth;
    this.tell("click", [panel, event.offsetX * scale, event.offsetY * scale]);
  }

  showState() {
    const s = this.state;
    const text = (element, value) => {
      if (element.textContent !== value) element.textContent = value;
    };
    text(this.title, s.title);
    text(this.header, s.header);
    text(this.playButton, s.playing ? "❚❚ pause" : "▶ play");
    text(this.speed, `${s.speed} a second`);
    text(this.memoryText, s.memory[1] ? `memory ${s.memory[0]} of ${s.memory[1]}` : "");
    this.memory.hidden = !s.memory[1];
    this.memory.firstChild.style.width = `${(100 * s.memory[0]) / (s.memory[1] || 1)}%`;
    this.memory.classList.toggle("refreshed", s.refreshed);
    text(this.branch, `branch ${s.branch} of ${s.branches}`);
    text(this.recordButton, s.recording === null ? "● record" : `■ stop (${s.recording})`);
    this.recordButton.classList.toggle("on", s.recording !== null);
    this.twinButton.classList.toggle("on", s.twin);
    text(this.driverButton, s.driver === "agent" ? "agent plays" : "you play");
    this.driverButton.classList.toggle("on", s.driver === "human");
    this.over.hidden = !s.end;
    text(this.saved, s.saved ? `saved: ${s.saved}` : "");
    this.editor.hidden = s.token === null;
    text(this.tokenText, `token ${s.token}, code`);
    this.episode.hidden = s.place !== "replay";
    for (const show of this.inputs) show(s);
    for (const [name, box] of Object.entries(this.boxes ?? {})) {
      box.checked = s.panels.includes(name);
    }
    const { step, action, playing, place, driver, branches, end, parted } = s;
    const told = { step, action, playing, place, driver, branches, end, parted };
    for (const [name, value] of Object.entries(told)) this.root.dataset[name] = value;
  }

  showError(text) {
    this.error.hidden = false;
    this.error.textContent = `${text}\n(click to close)`;
  }

  offer({ name, saved }, buffer) {
    const type = name.endsWith(".mp4") ? "video/mp4" : "image/png";
    const url = URL.createObjectURL(new Blob([buffer], { type }));
    const link = make("a", this.files, { href: url, download: name, textContent: `⤓ ${name}` });
    link.title = saved;
  }

  // The page's parts

  build(el) {
    const root = make("div", el, { className: "iris-player", tabIndex: 0 });
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab takes keys for itself
    this.root = root;
    const head = make("div", root, { className: "header" });
    this.title = make("span", head, { className: "title" });
    this.header = make("span", head);
    this.buildModes(make("div", root, { className: "row" }));
    this.error = make("pre", root, { className: "error", hidden: true });
    this.error.addEventListener("click", () => (this.error.hidden = true));
    this.pictures = make("div", root, { className: "pictures" });
    this.line = make("div", root);
    this.buildOver(make("div", root, { className: "row over", hidden: true }));
    this.buildControls(make("div", root, { className: "row" }));
    this.actions = make("div", root, { className: "row actions" });
    this.buildBranches(make("div", root, { className: "row" }));
    this.buildSettings(root);
    this.files = make("div", root, { className: "row files" });
    this.saved = make("div", root, { className: "speed" });
    this.parts = make("div", root, { className: "speed" });
    root.addEventListener("keydown", (event) => this.keyDown(event));
    root.addEventListener("keyup", (event) => this.keyboard.release(keyOf(event)));
    root.addEventListener("focusout", () => this.keyboard.down.clear());
  }

  button(parent, name, text, value = null) {
    const made = make("button", parent, { textContent: text, type: "button" });
    made.dataset.command = name;
    made.addEventListener("click", () => {
      this.tell(name, value);
      this.root.focus({ preventScroll: true }); // the space bar is the game's
    });
    return made;
  }

  select(parent, name, options, value) {
    const made = make("select", parent, { title: name });
    for (const [key, text] of Object.entries(options)) {
      make("option", made, { value: key, textContent: text });
    }
    made.addEventListener("change", () => {
      this.tell(name, made.value);
      this.root.focus();
    });
    this.inputs.push((state) => (made.value = value(state)));
    return made;
  }

  number(parent, label, value, change, step = 1, low = 0) {
    const around = make("label", parent, { textContent: `${label} ` });
    const made = make("input", around, { type: "number", step, min: low, title: label });
    made.addEventListener("change", () => change(Number(made.value)));
    this.inputs.push((state) => {
      if (document.activeElement !== made) made.value = value(state);
    });
    return made;
  }

  buildModes(row) {
    this.select(row, "place", PLACES, (state) => state.place);
    this.driverButton = this.button(row, "driver", "agent plays");
    this.episode = make("span", row);
    const kind = make("select", this.episode, { title: "kind of episode" });
    kind.addEventListener("change", () => this.tell("episode", [kind.value, 0]));
    this.inputs.push((state) => {
      const kinds = Object.keys(state.kinds);
      if (kind.length !== kinds.length) {
        kind.replaceChildren();
        for (const name of kinds) {
          make("option", kind, { value: name, textContent: `${name} (${state.kinds[name]})` });
        }
      }
      kind.value = state.kind;
    });
    this.number(this.episode, " episode", (state) => state.number, (number) =>
      this.tell("episode", [kind.value, number]),
    );
    this.button(row, "new", "new start");
    this.button(row, "reset", "same start");
    this.button(row, "here", "dream from here");
    this.twinButton = this.button(row, "twin", "real game beside it");
  }

  buildControls(row) {
    this.button(row, "first", "|◀");
    this.button(row, "back", "◀ back");
    this.playButton = this.button(row, "play", "▶ play");
    this.button(row, "step", "step ▶");
    this.button(row, "last", "▶|");
    this.button(row, "slower", "−");
    this.speed = make("span", row);
    this.button(row, "faster", "+");
    this.memory = make("span", row, { className: "memory" });
    make("i", this.memory);
    this.memoryText = make("span", row, { className: "speed" });
    this.recordButton = this.button(row, "record", "● record");
    this.button(row, "save", "save all so far");
    this.button(row, "sheet", "contact sheet");
  }

  buildBranches(row) {
    this.button(row, "branch", "branch here");
    this.button(row, "earlier", "‹");
    this.branch = make("span", row);
    this.button(row, "later", "›");
    this.editor = make("span", row, { hidden: true });
    this.tokenText = make("span", this.editor);
    const code = (change) => (number) => this.tell("code", change(number));
    this.number(this.editor, "", (state) => state.code, code((number) => number));
    for (const [text, by] of [["− 1", -1], ["+ 1", 1]]) {
      const made = make("button", this.editor, { textContent: text, type: "button" });
      const next = () => (this.state.code + by + this.state.codes) % this.state.codes;
      made.addEventListener("click", () => this.tell("code", next()));
    }
  }

  buildSettings(root) {
    const details = make("details", root);
    make("summary", details, { textContent: "panels, settings, keys" });
    this.panels = make("div", details, { className: "row panels" });
    const row = make("div", details, { className: "row" });
    const told = (name) => (number) => this.tell(name, number);
    this.number(row, "temperature of the dream", (s) => s.temperature, told("temperature"), 0.1);
    this.number(
      row,
      "of the policy",
      (s) => s.policy_temperature,
      told("policy_temperature"),
      0.1,
    );
    this.number(row, "seed", (s) => s.seed, told("seed"));
    this.number(row, "attention: layer", (s) => s.layer, (n) =>
      this.tell("attention", [n, this.state.head]),
    );
    this.number(row, "head", (s) => s.head, (n) =>
      this.tell("attention", [this.state.layer, n]),
    );
    this.keys = make("div", details, { className: "keys" });
  }

  buildOver(row) {
    this.over = row;
    make("span", row, { textContent: "The episode is over. Save it?" });
    this.button(row, "save", "video and arrays");
    this.button(row, "keep", "into the replay");
    this.button(row, "new", "no: a new start");
  }

  learn({ actions, keys, commands, panels }) {
    this.actionKeys = new Set(Object.values(keys).flat());
    this.commandKeys = Object.fromEntries(Object.entries(commands).map(([k, [c]]) => [k, c]));
    actions.forEach((name, i) => {
      const made = make("button", this.actions, { textContent: name, type: "button" });
      made.className = "action";
      made.dataset.action = i;
      made.addEventListener("pointerdown", () => this.pressAction(i));
      for (const up of ["pointerup", "pointerleave", "pointercancel"]) {
        made.addEventListener(up, () => (this.heldAction = null));
      }
    });
    this.boxes = {};
    for (const [name, title] of Object.entries(panels)) {
      const label = make("label", this.panels);
      const box = make("input", label, { type: "checkbox", name });
      label.append(` ${title}`);
      box.addEventListener("change", () => this.tell("panels", name));
      this.boxes[name] = box;
    }
    const row = (text, names) => {
      const line = make("div", this.keys);
      for (const name of names) make("kbd", line, { textContent: SHOWN[name] ?? name });
      line.append(` ${text}`);
    };
    for (const [part, names] of Object.entries(keys)) row(part, names);
    for (const [key, [, about]] of Object.entries(commands)) row(about, [key]);
  }

  // Keys

  pressAction(number) {
    if (this.state.playing && this.state.driver === "human") this.heldAction = number;
    else this.tell("act", number);
  }

  keyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    const key = keyOf(event);
    if (key === "Escape") return this.root.blur();
    if (this.actionKeys?.has(key)) {
      event.preventDefault();
      this.keyboard.press(key);
      const paused = !this.state.playing && this.state.driver === "human";
      if (paused) this.tell("step", null, { held: this.keyboard.take() });
    } else if (this.commandKeys?.[key]) {
      event.preventDefault();
      if (!event.repeat || ["n", "b"].includes(key)) this.tell(this.commandKeys[key]);
    }
  }
}

function render({ model, el }) {
  const page = new Page(model, el);
  return () => page.close();
}

export default { render };
