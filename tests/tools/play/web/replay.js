// Dreams by given noise and actions, and prints what came:
// node replay.js FOLDER_OF_RUNTIME ADDRESS_OF_AGENT FILE_OF_NOISE

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

import { openDream } from "../../../../iris_core/tools/play/web/dream.js";
import { unpack } from "../../../../iris_core/tools/play/web/files.js";

const [folder, address, file] = process.argv.slice(2);
const runtime = pathToFileURL(`${folder}/`);
const ort = await import(new URL("ort.wasm.min.js", runtime));
const packed = new Uint8Array(readFileSync(`${folder}/ort-wasm-simd-threaded.wasm`));
const wasmPaths = { mjs: new URL("ort-wasm-simd-threaded.js", runtime).href };
Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths, wasmBinary: await unpack(packed) });

const dream = await openDream(Promise.resolve(ort), address);
const { noise, actions } = JSON.parse(readFileSync(file));
const [start] = dream.agent.starts;
const blocks = start.actions.map((action, i) => Int32Array.of(...start.tokens[i], action));
let state = { tokens: Int32Array.from(start.tokens.at(-1)), past: dream.recent(blocks) };
let lstm = { h: Float32Array.from(start.h), c: Float32Array.from(start.c) };
const steps = [];
for (const [i, action] of actions.entries()) {
  state = await dream.step(state.past, state.tokens, action, Float32Array.from(noise[i]), 1);
  const seen = await dream.look(state.tokens, lstm);
  lstm = seen.lstm;
  steps.push({
    tokens: [...state.tokens],
    past: state.past.length,
    reward: state.reward,
    end: state.end,
    surprisal: [...state.expected.probs].map((p) => -Math.log(p)),
    frame: [...seen.frame],
    probs: [...seen.probs],
  });
}
console.log(JSON.stringify(steps));
