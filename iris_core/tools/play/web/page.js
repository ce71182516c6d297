// The player in a page of its own or of a book: no kernel, the dream runs in a worker.

import player from "./player.js";
import { Recorder } from "./recorder.js";

export function openPlayer(element, { agent, base, ...options } = {}) {
  // Play in this element. agent: at first, the best one if none is named. base: the folder
  // of the site, by default where this file's folder is. Returns a function that closes it.
  const model = new WorkerModel({ agent, base });
  const close = player.render({ model, el: element, ...options });
  return () => {
    close();
    model.close();
  };
}

export class WorkerModel {
  // What the player takes for the kernel's model.
  constructor({ agent, base = new URL("..", import.meta.url) } = {}) {
    this.listeners = new Set();
    this.hint = "The dream is still loading, or this machine is busy.";
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.onAnswer(data));
    this.worker.addEventListener("error", (event) => this.onFailure(event));
    this.worker.postMessage({ site: new URL(base, location.href).href, agent });
  }

  on(_, listener) {
    this.listeners.add(listener);
  }

  off(_, listener) {
    this.listeners.delete(listener);
  }

  close() {
    this.worker.terminate();
  }

  send(message) {
    this.view = message.view;
    if (message.do === "record") this.record(message).catch((error) => this.fail(error.message));
    else this.worker.postMessage(message);
  }

  emit(header, bytes = new ArrayBuffer(0)) {
    for (const listener of this.listeners) listener(header, [new DataView(bytes)]);
  }

  onAnswer({ header, bytes }) {
    if (header.kind === "frame" && this.recorder) {
      this.recorder.add(header, bytes);
      header.state.recording = this.recorder.count;
    }
    if (header.kind === "hello") this.game = header.name;
    this.emit(header, bytes);
  }

  onFailure(event) {
    event.preventDefault();
    this.fail(`The player did not load here (${event.message ?? "no module worker"}).`);
  }

  fail(text) {
    this.emit({ kind: "error", text, view: this.view });
  }

  async record({ view }) {
    // Start, or stop and hand over the video
    const { recorder } = this;
    if (!recorder) {
      this.recorder = new Recorder();
      this.worker.postMessage({ do: "look", view });
      return;
    }
    this.recorder = null;
    const { type, bytes } = await recorder.stop();
    this.saved = (this.saved ?? 0) + 1;
    const name = `${this.game}-${this.saved}.${type.split("/")[1]}`;
    this.emit({ kind: "file", name, saved: "", view }, bytes);
  }
}
