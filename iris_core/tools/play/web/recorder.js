// A video of what is shown, by the browser. It runs only while frames come: a pause of the
// player's is none of the video's.

const SIZE = 512; // pixels of the video
const TYPES = ["video/mp4;codecs=avc1.42E01E", "video/webm;codecs=vp9", "video/webm"];

export class Recorder {
  constructor() {
    this.count = 0;
    this.small = document.createElement("canvas");
    this.large = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
    this.chunks = [];
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const settings = { mimeType, videoBitsPerSecond: 4e6 };
    this.media = new MediaRecorder(this.large.captureStream(), settings);
    this.media.addEventListener("dataavailable", ({ data }) => this.chunks.push(data));
    this.stopped = new Promise((done) => this.media.addEventListener("stop", done));
  }

  add({ state, pictures }, bytes) {
    // A frame's answer; the same frame shown again is not another one
    const shown = `${state.step} ${state.branch} ${state.branches} ${state.code}`;
    if (shown === this.shown) return;
    this.shown = shown;
    this.count += 1;
    this.draw(pictures, bytes);
    if (this.media.state === "inactive") this.media.start();
    if (this.media.state === "paused") this.media.resume();
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.media.pause(), 2000 / state.speed);
  }

  draw(pictures, bytes) {
    let at = 0;
    for (const { name, height, width } of pictures) {
      if (name === "frame") {
        const rgba = new Uint8ClampedArray(bytes, at, 4 * height * width);
        Object.assign(this.small, { width, height });
        this.small.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
      }
      at += 4 * height * width;
    }
    const context = this.large.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(this.small, 0, 0, SIZE, SIZE);
  }

  async stop() {
    // {type, bytes} of the video, as video/mp4
    clearTimeout(this.pause);
    this.media.stop();
    await this.stopped;
    const type = this.media.mimeType.split(";")[0];
    const bytes = await new Blob(this.chunks, { type }).arrayBuffer();
    return { type, bytes };
  }
}
