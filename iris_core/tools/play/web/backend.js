// A page's messages and their answers, as iris_core/tools/play/server.py gives them with a
// kernel: {do: command, args, view} -> {header, bytes}. A dream is all that it can show.

import { contents, PANELS } from "./contents.js";
import { Refusal } from "./refusal.js";
import { Session } from "./session.js";
import { leavesFrom, lineFrom } from "./tree.js";

export const COMMANDS = {
  p: ["play", "play or pause"],
  n: ["step", "one step forward"],
  b: ["back", "one step back"],
  m: ["driver", "agent or human"],
  r: ["reset", "restart from the same frame"],
  f: ["new", "start from another frame"],
  x: ["branch", "branch off here"],
  "[": ["earlier", "previous branch"],
  "]": ["later", "next branch"],
  ",": ["record", "start or stop recording"],
  "-": ["slower", "slower"],
  "+": ["faster", "faster"],
  Home: ["first", "to the start"],
  End: ["last", "to the end"],
};

const text = (value) => typeof value === "string";
const whole = (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31;
const number = (value) => typeof value === "number" && Math.abs(value) < 2 ** 31;
const wholeOrNone = (value) => value === null || whole(value);
const TAKES = { // what commands can be given; others nothing
  ...{ panel: [text], agent: [text], paint: [whole, whole] },
  ...{ seek: [whole], seed: [whole], select: [whole] },
  ...{ next: [wholeOrNone], step: [wholeOrNone], token: [wholeOrNone] },
  ...{ temperature: [number], policy_temperature: [number], driver: [text] },
};
const OPTIONAL = ["driver", "next", "step"]; // whose argument may be left out

export class Backend {
  // agents: the menu. open: from an agent's name to its dream. first: the one that plays first.
  constructor(agents, open, { first = agents[0]?.name, ...options } = {}) {
    Object.assign(this, { agents, open, first, options });
    this.panels = ["policy"];
    this.commands = {
      hello: () => this.hello(),
      look: () => {},
      next: (action) => this.session.playing && this.session.advance(action),
      step: (action) => this.step(action),
      play: () => this.session.playOrPause(),
      back: () => this.session.back(),
      seek: (step) => this.session.seek(step),
      first: () => this.session.seek(0),
      last: () => this.session.seek(Infinity),
      reset: () => this.session.reset(),
      new: () => this.session.newStart(),
      seed: (seed) => this.session.newStart(seed),
      driver: (name) => this.session.setDriver(name),
      slower: () => this.session.changeSpeed(-1),
      faster: () => this.session.changeSpeed(1),
      temperature: (value) => this.session.setTemperature("temperature", value),
      policy_temperature: (value) => this.session.setTemperature("policyTemperature", value),
      branch: () => this.session.branch(),
      earlier: () => this.session.changeBranch(-1),
      later: () => this.session.changeBranch(1),
      select: (number) => this.session.selectBranch(number),
      token: (token) => this.select(token),
      paint: (token, code) => this.session.paint(token, code),
      panel: (name) => this.togglePanel(name),
      agent: (name) => this.openAgent(name),
    };
  }

  async answer({ do: command, args = [], view }) {
    // An error is an answer too, so that the page shows it
    try {
      const { header, bytes = new ArrayBuffer(0) } = await this.dispatch(command, args);
      return { header: { ...header, view }, bytes };
    } catch (error) {
      if (this.session) this.session.playing = false;
      const why = error instanceof Refusal ? error.message : `The dream broke off: ${error.message}`;
      return { header: { kind: "error", text: why, view }, bytes: new ArrayBuffer(0) };
    }
  }

  async dispatch(command, args) {
    if (!Object.hasOwn(this.commands, command)) {
      const known = Object.keys(this.commands).join(", ");
      throw new Refusal(`Unknown command "${command}": choose ${known}.`);
    }
    checkTakes(command, args);
    if (!this.session && command !== "agent") await this.openAgent(this.first);
    const started = performance.now();
    return (await this.commands[command](...args)) || this.frame(started);
  }

  // Answers

  hello() {
    // What the page needs once, before the first frame
    const { name, title, game, grid, codes, actions, buttons, keys, flashes } = this.session.agent;
    const panels = Object.entries(PANELS).map(([panel, about]) => {
      return [panel, { title: about.title, places: ["dream"] }];
    });
    const header = {
      ...{ kind: "hello", name, title, game, grid, codes, actions, buttons, keys, flashes },
      ...{ commands: COMMANDS, can: [...Object.keys(this.commands), "record"] },
      ...{ panels: Object.fromEntries(panels), agents: this.agents },
      ...{ places: ["dream"], episodes: {} },
    };
    return { header };
  }

  async frame(started) {
    // The state, what the panels show, and pictures as RGBA
    const stepped = performance.now();
    const { data, pictures } = await contents(this.session, this.panels);
    const bytes = rgba(Object.values(pictures).map(({ rgb }) => rgb));
    const ms = { model: stepped - started, drawing: performance.now() - stepped };
    const sizes = Object.entries(pictures).map(([name, { height, width }]) => {
      return { name, height, width };
    });
    return { header: { kind: "frame", state: this.state(), data, pictures: sizes, ms }, bytes };
  }

  state() {
    // What the page writes beside the pictures
    const { session } = this;
    const { playing, speed, driver, temperature, policyTemperature, seed, token } = session;
    const { step, total, action, reward, end, past, memoryRefilled } = session.cursor;
    const leaves = leavesFrom(session.root);
    return {
      ...{ playing, speed, driver, temperature, seed, token, step, total, reward, end },
      ...{ place: "dream", policy_temperature: policyTemperature },
      ...{ kind: "", number: 0, layer: 0, head: 0, twin: false, can_twin: false },
      action: action === null ? "start" : session.agent.actions[action],
      cache: [past.length, session.agent.max_blocks],
      cache_refilled: memoryRefilled,
      branches: leaves.length,
      branch: leaves.indexOf(lineFrom(session.root).at(-1)) + 1,
      ...{ diverged_at: null, recording: null, saved: "" },
      panels: this.panels,
    };
  }

  // Commands

  async step(action) {
    this.session.playing = false;
    await this.session.advance(action);
  }

  select(token) {
    const count = this.session.cursor.tokens.length;
    if (token !== null && token >= count) {
      throw new Refusal(`There is no token ${token}: a frame has ${count}.`);
    }
    this.session.token = token;
  }

  togglePanel(name) {
    if (!Object.hasOwn(PANELS, name)) {
      const known = Object.keys(PANELS).join(", ");
      throw new Refusal(`Unknown panel "${name}": choose among ${known}.`);
    }
    const shown = (panel) => (panel === name) !== this.panels.includes(panel);
    this.panels = Object.keys(PANELS).filter(shown);
  }

  async openAgent(name) {
    // Play with another agent, at the same speed; the old one stays if this one can't be had
    if (!this.agents.some((agent) => agent.name === name)) {
      const known = this.agents.map((agent) => agent.name).join(", ");
      throw new Refusal(`There is no agent "${name}": choose ${known || "none, there are none"}.`);
    }
    const dream = await this.open(name);
    const session = new Session(dream, this.options);
    await session.reset();
    if (this.session) session.speed = this.session.speed;
    await this.session?.dream.close();
    this.session = session;
    return this.hello();
  }
}

function checkTakes(command, given) {
  const takes = TAKES[command] ?? [];
  const least = OPTIONAL.includes(command) ? 0 : takes.length;
  const fits = given.length >= least && given.length <= takes.length;
  if (fits && given.every((value, i) => takes[i](value))) return;
  throw new Refusal(`${command} cannot be given ${JSON.stringify(given).slice(0, 80)}.`);
}

function rgba(pictures) {
  // RGB bytes, in the format of a canvas, one picture after another
  const pixels = pictures.reduce((sum, rgb) => sum + rgb.length / 3, 0);
  const bytes = new Uint8Array(4 * pixels).fill(255);
  let to = 0;
  for (const rgb of pictures) {
    for (let from = 0; from < rgb.length; from += 3, to += 4) {
      bytes[to] = rgb[from];
      bytes[to + 1] = rgb[from + 1];
      bytes[to + 2] = rgb[from + 2];
    }
  }
  return bytes.buffer;
}
