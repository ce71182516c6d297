// A dream without a network: what comes next is a plain function of what came before, the
// action and the noise. Token 0 tells the story: the sum of all actions so far.

const ACTIONS = ["NOOP", "LEFT", "RIGHT"];

export const AGENT = {
  ...{ name: "fake", title: "Fake", game: "Fake", grid: 2, codes: 64, max_blocks: 4, context: 2 },
  ...{ actions: ACTIONS, buttons: {}, keys: {}, temperature: 1, palette: [3, 1, 2], flashes: false },
  starts: [0, 10].map((first) => ({
    ...{ tokens: [[first, 0, 0, 0], [first, 1, 1, 1]], actions: [2], h: [0], c: [0] },
  })),
};

export class FakeDream {
  constructor(endsAt = Infinity, agent = AGENT) {
    Object.assign(this, { agent, endsAt, steps: 0, closed: false });
  }

  recent(past) {
    return past.slice(Math.max(past.length + 1 - this.agent.context, 0));
  }

  async step(past, tokens, action, noise, temperature) {
    this.steps += 1;
    this.heard = { past, tokens, action, noise, temperature };
    const before = past.length < this.agent.max_blocks ? past : this.recent(past);
    const drawn = [...noise].slice(3).map((u) => Math.floor(64 * u));
    return {
      tokens: Int32Array.of((tokens[0] + action) % 64, ...drawn),
      past: [...before, Int32Array.of(...tokens, action)],
      reward: action === 2 ? 1 : 0,
      end: tokens[0] + action >= this.endsAt,
      expected: { probs: Float32Array.of(1, 0.5, 0.5, 0), reward: [0, 0.75, 0.25], end: 0.125 },
    };
  }

  async look(tokens, { h, c }) {
    return {
      frame: picture(tokens),
      probs: Float32Array.of(0, 0.5, 0.5),
      value: tokens[0],
      lstm: { h: h.map((x) => x + 1), c },
    };
  }

  async decode(frames) {
    return frames.map(picture);
  }

  async close() {
    this.closed = true;
  }
}

function picture(tokens) {
  // 4x4, each token a cell of 2x2
  const rgb = new Uint8ClampedArray(3 * 16);
  for (let i = 0; i < 16; i += 1) {
    const token = 2 * Math.floor(i / 8) + (Math.floor(i / 2) % 2);
    rgb.fill(tokens[token], 3 * i, 3 * i + 3);
  }
  return rgb;
}
