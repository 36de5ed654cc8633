// Reader: a stream of frames to readings: face, crop, features, probabilities
// (lipnet/live/reader.py).

import { Cropper, viewOf } from "./crops.js";
import { RATE } from "./rate.js";
import { Spotter } from "./spotter.js";
import { StreamWindow, softmax } from "./window.js";

const HOP = 2; // frames between two readings; each frame gives the same words
const HELD = 12; // frames without a face that are read with its last landmarks
const COUNT_EVERY = 25; // frames between two counts of the faces
const TOP = 5;

export class Reader {
  // `facts` is model.json; `isDetailed` adds points, the whole crop and the logits to each step.
  constructor(facts, tracker, graphs, isDetailed = false) {
    Object.assign(this, { facts, tracker, isDetailed });
    this.cropper = new Cropper(facts.crops);
    this.window = new StreamWindow(graphs, facts.frames, facts.view.inputSize);
    this.spotter = new Spotter(facts);
    this.start();
  }

  // What follows is another stream.
  start() {
    this.frames = 0;
    this.faces = 0;
    this.tracker.reset();
    this.forget();
  }

  // Start again: what follows is not the continuation of the frames so far.
  forget() {
    this.window.reset();
    this.cropper.reset();
    this.last = null;
    this.unseen = 0; // frames since the face was last seen
    this.since = 0; // frames since the last reading
  }

  // The stream is over: the word whose probability was still rising, or null.
  finish() {
    const event = this.spotter.interrupt();
    this.start();
    return event;
  }

  // Track, crop and read the frame { data, width, height } of a time in seconds.
  async push(frame, seconds, isRestart) {
    if (isRestart) this.forget();
    const face = await this.tracker.step(frame);
    if (this.frames % COUNT_EVERY === 0) this.faces = await this.tracker.count(frame);
    this.frames += 1;
    let state = isRestart ? "restart" : "face";
    if (face) {
      if (face.isNew && this.last) {
        this.forget();
        state = "new face";
      }
      this.last = face;
      this.unseen = 0;
    } else {
      this.unseen += 1;
      if (!this.last || this.unseen > HELD) return this.lose(seconds);
      state = "held";
    }
    return this.read(frame, seconds, state);
  }

  lose(seconds) {
    const event = this.spotter.interrupt();
    this.forget();
    return { seconds, state: "no face", faces: this.faces, event };
  }

  async read(frame, seconds, state) {
    const matrix = this.cropper.place(this.last.points);
    if (!matrix) return this.lose(seconds);
    const isFresh = state === "restart" || state === "new face";
    const step = { seconds, state, faces: this.faces, box: this.last.box, matrix };
    step.event = isFresh ? this.spotter.interrupt() : null;
    const crop = this.cropper.cut(frame, matrix);
    const view = viewOf(crop, this.facts.view);
    step.seen = view.seen;
    if (this.isDetailed) Object.assign(step, { points: this.last.points, crop });
    this.window.push(view.normalised);
    this.since += 1;
    if (this.window.isFull && this.since >= HOP) await this.readWindow(step);
    return step;
  }

  async readWindow(step) {
    this.since = 0;
    const logits = await this.window.logits();
    const probabilities = softmax(logits);
    // A frame is over 1 / RATE after its time; the window's middle is half a window before that.
    const middle = step.seconds + 1 / RATE - this.facts.frames / 2 / RATE;
    const reading = { seconds: middle, probabilities };
    step.event = this.spotter.push(reading) || step.event;
    step.reading = { seconds: middle, top: this.rank(probabilities) };
    if (this.isDetailed) step.logits = logits;
  }

  rank(probabilities) {
    const ranked = probabilities.map((probability, n) => ({ word: this.facts.labels[n], probability }));
    return ranked.sort((one, other) => other.probability - one.probability).slice(0, TOP);
  }
}
