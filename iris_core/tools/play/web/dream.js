// An exported agent's dream by onnxruntime-web: a step of the world model, and what the
// policy makes of it. iris_core/imagination/world_model_env.py has the rules.

import { read, readJson } from "./files.js";
import { Refusal } from "./refusal.js";

const OPTIONS = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };

export async function loadRuntime(folder) {
  // onnxruntime-web, in one thread: more need headers that few hosts send
  if (typeof WebAssembly === "undefined") {
    throw new Refusal("This browser has no WebAssembly, which the dream runs in: try another one.");
  }
  const wasm = read(new URL("ort-wasm-simd-threaded.wasm", folder));
  wasm.catch(() => {}); // it is awaited, and refused, below
  const ort = await import(new URL("ort.wasm.min.js", folder)).catch((error) => {
    throw new Refusal(`The runtime of the dream did not load: ${error.message}`);
  });
  const mjs = new URL("ort-wasm-simd-threaded.js", folder).href;
  Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: { mjs }, wasmBinary: await wasm });
  return ort;
}

export async function openDream(runtime, folder) {
  // The agent in a folder. runtime: a promise of `loadRuntime`, which loads meanwhile
  const [agent, worldModel, policy, ort] = await Promise.all([
    readJson(new URL("agent.json", folder)),
    read(new URL("world_model.onnx", folder)),
    read(new URL("policy.onnx", folder)),
    runtime,
  ]);
  const sessions = [];
  for (const model of [worldModel, policy]) {
    sessions.push(await ort.InferenceSession.create(model, OPTIONS));
  }
  return new Dream(agent, ort, ...sessions);
}

export class Dream {
  constructor(agent, ort, worldModel, policy) {
    Object.assign(this, { agent, ort, worldModel, policy });
  }

  async close() {
    await Promise.all([this.worldModel.release(), this.policy.release()]);
  }

  recent(past) {
    // What a memory that was full begins with again
    return past.slice(Math.max(past.length + 1 - this.agent.context, 0));
  }

  async step(past, tokens, action, noise, temperature) {
    // Blocks of the past, the frame's tokens, an action -> what comes next
    const before = past.length < this.agent.max_blocks ? past : this.recent(past);
    const blocks = [...before, Int32Array.of(...tokens, action)];
    const size = tokens.length + 1;
    const joined = new Int32Array(blocks.length * size);
    blocks.forEach((block, i) => joined.set(block, i * size));
    const found = await this.worldModel.run({
      blocks: new this.ort.Tensor("int32", joined, [blocks.length, size]),
      noise: this.floats(noise, [noise.length]),
      temperature: this.floats(Float32Array.of(temperature), []),
    });
    return {
      tokens: found.tokens.data,
      past: blocks,
      reward: found.reward.data[0],
      end: found.end.data[0] === 1,
      expected: {
        probs: found.token_probs.data,
        reward: found.reward_probs.data,
        end: found.end_prob.data[0],
      },
    };
  }

  async look(tokens, { h, c }) {
    // The frame, and the policy after it; h, c: its LSTM state before
    const found = await this.runPolicy([tokens], h, c);
    return {
      frame: toPixels(found.frames.data),
      probs: found.action_probs.data,
      value: found.values.data[0],
      lstm: { h: found.h_next.data, c: found.c_next.data },
    };
  }

  async decode(frames) {
    // RGB bytes of each of these frames' tokens
    const state = new Float32Array(frames.length * this.agent.lstm_dim);
    const { data } = (await this.runPolicy(frames, state, state)).frames;
    const size = data.length / frames.length;
    return frames.map((_, i) => toPixels(data.subarray(i * size, (i + 1) * size)));
  }

  runPolicy(frames, h, c) {
    const [count, size] = [frames.length, frames[0].length];
    const joined = new Int32Array(count * size);
    frames.forEach((tokens, i) => joined.set(tokens, i * size));
    const lstm = [count, this.agent.lstm_dim];
    return this.policy.run({
      tokens: new this.ort.Tensor("int32", joined, [count, size]),
      h: this.floats(h, lstm),
      c: this.floats(c, lstm),
    });
  }

  floats(values, shape) {
    return new this.ort.Tensor("float32", values, shape);
  }
}

function toPixels(chw) {
  // float (3, H, W) in [0, 1] -> bytes (H, W, 3), rounded as the library does
  const area = chw.length / 3;
  const rgb = new Uint8ClampedArray(chw.length);
  for (let i = 0; i < area; i += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      rgb[3 * i + channel] = Math.fround(255 * chw[channel * area + i]);
    }
  }
  return rgb;
}
