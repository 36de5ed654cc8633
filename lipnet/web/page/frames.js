// Frames of a video element at 25 per second of its media time (lipnet/live/frames.py).

import { RATE } from "./rate.js";

const MAX_PAUSE = 0.5; // seconds without a frame, after which the stream starts again
const TIE = 1e-6;
const MAX_WIDTH = 1280;

// Frames with their seconds -> for t = 0, 1/25, ... the frame nearest to t. A frame is known when
// the next one comes. After a pause, or a time that goes back, the stream restarts.
export class Resampler {
  constructor() {
    this.start = null;
    this.given = 0;
    this.held = null;
    this.isRestart = false;
  }

  // The frames { frame, times, isRestart } that are known now; `times` is empty for one that is not
  // needed.
  push(stamp, frame) {
    this.start ??= stamp;
    let seconds = stamp - this.start;
    const known = [];
    if (this.held && !(seconds >= this.held.seconds && seconds - this.held.seconds <= MAX_PAUSE)) {
      if (seconds < this.held.seconds) {
        this.start = stamp - this.held.seconds;
        seconds = this.held.seconds;
      }
      known.push({ frame: this.held.frame, times: [], isRestart: false });
      this.given = Math.max(this.given, Math.ceil(seconds * RATE - TIE));
      this.held = null;
      this.isRestart = true;
    }
    if (this.held) known.push(this.take((this.held.seconds + seconds) / 2));
    this.held = { seconds, frame };
    return known;
  }

  // The last frame, when the stream ends.
  finish() {
    if (!this.held) return [];
    const known = this.take(this.held.seconds);
    this.held = null;
    return [known];
  }

  take(until) {
    const taken = { frame: this.held.frame, times: [], isRestart: this.isRestart };
    while (this.given / RATE <= until + TIE) {
      taken.times.push(this.given / RATE);
      this.given += 1;
    }
    if (taken.times.length) this.isRestart = false;
    return taken;
  }
}

// Calls `onShow()` just before the browser draws a new frame of a video element, and then
// `onFrame(bitmap, seconds)` with that frame, in order, until `stop` is called.
export class Capture {
  constructor(video, onFrame, onShow) {
    Object.assign(this, { video, onFrame, onShow, isStopped: false });
    this.queue = Promise.resolve();
    this.last = -1;
    this.next();
  }

  stop() {
    this.isStopped = true;
  }

  next() {
    if (this.isStopped) return;
    if ("requestVideoFrameCallback" in HTMLVideoElement.prototype) {
      this.video.requestVideoFrameCallback((_, { mediaTime }) => this.take(mediaTime));
    } else {
      requestAnimationFrame(() => this.take(this.video.currentTime));
    }
  }

  take(seconds) {
    if (this.isStopped) return;
    if (seconds !== this.last && this.video.videoWidth) {
      this.onShow();
      this.last = seconds;
      const bitmap = makeBitmap(this.video);
      this.queue = this.queue.then(async () => {
        const made = await bitmap.catch(() => null);
        if (made && this.isStopped) made.close();
        else if (made) this.onFrame(made, seconds);
      });
    }
    this.next();
  }
}

function makeBitmap(video) {
  const settings = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  if (video.videoWidth > MAX_WIDTH) {
    Object.assign(settings, { resizeWidth: MAX_WIDTH, resizeQuality: "high" });
  }
  return createImageBitmap(video, settings);
}
