// StreamWindow: the last frames of a stream and their features, each computed once
// (lipnet/live/window.py), and the words that its probabilities give (lipnet/live/spotter.py).

const MARGIN = 2; // neighbours on either side of a frame
const SEEN = 2 * MARGIN + 1;

export class StreamWindow {
  // `graphs` has features(windows, count) and logits(features, count), both of flat arrays.
  constructor(graphs, frames, inputSize) {
    Object.assign(this, { graphs, frames, area: inputSize * inputSize });
    this.reset();
  }

  // Forget all frames: the next one has no neighbours before it.
  reset() {
    this.images = [];
    this.features = []; // up to MARGIN before the newest frame
    this.waiting = []; // windows of the newest frames, whose features are not computed yet
  }

  get isFull() {
    const known = this.features.length + this.waiting.length;
    return this.images.length >= this.frames && known >= this.frames - MARGIN;
  }

  // Add the newest frame, normalised. The features of the one two before it are computed when they
  // are needed: a call of the graph costs as much as two windows more.
  push(image) {
    this.images = [...this.images, image].slice(-Math.max(this.frames, SEEN));
    if (this.images.length <= MARGIN) return;
    this.waiting = [...this.waiting, this.images.slice(-SEEN)].slice(-this.frames);
  }

  // The logits of the newest frames as a clip of its own: the features of its two first and two last
  // frames are computed again, with zeros for what is outside of it.
  async logits() {
    const images = this.images.slice(-this.frames);
    const first = images.slice(0, 2 * MARGIN);
    const last = images.slice(-2 * MARGIN);
    const empty = Array(MARGIN).fill(null);
    const sides = [[...empty, ...first], [...last, ...empty]];
    const windows = sides.flatMap((side) => empty.map((_, n) => side.slice(n, n + SEEN)));
    const computed = await this.compute([...this.waiting, ...windows]);
    const edges = computed.splice(this.waiting.length);
    this.features = [...this.features, ...computed].slice(-this.frames);
    this.waiting = [];
    const inner = this.features.slice(this.features.length - (this.frames - 2 * MARGIN));
    const all = [...edges.slice(0, MARGIN), ...inner, ...edges.slice(MARGIN)];
    return this.graphs.logits(joinArrays(all), all.length);
  }

  // The features of the middle of each window of up to five images; null is a frame of zeros.
  async compute(windows) {
    const stacked = new Float32Array(windows.length * SEEN * this.area);
    windows.forEach((window, number) => {
      const missing = SEEN - window.length;
      window.forEach((image, n) => {
        if (image) stacked.set(image, (number * SEEN + missing + n) * this.area);
      });
    });
    const flat = await this.graphs.features(stacked, windows.length);
    const width = flat.length / windows.length;
    return windows.map((_, n) => flat.slice(n * width, (n + 1) * width));
  }
}

function joinArrays(arrays) {
  const joined = new Float32Array(arrays.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const each of arrays) {
    joined.set(each, at);
    at += each.length;
  }
  return joined;
}

export function softmax(logits) {
  const highest = logits.reduce((one, other) => Math.max(one, other), -Infinity);
  const powers = Array.from(logits, (value) => Math.exp(value - highest));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((value) => value / total);
}
