// The page: its buttons, its video, and what the worker read.

import { Capture, Resampler } from "./frames.js";
import { MESSAGES, describeCamera, describeFailure, describeLimits } from "./messages.js";
import { Screen } from "./screen.js";

const CAMERA = {
  audio: false,
  video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" },
};
// Frames that wait for the worker: a file pauses, a camera's frames are dropped.
const PAUSE_AT = 12;
const PLAY_AT = 4;
const DROP_AT = 50;
// A module of WebAssembly with one instruction of SIMD.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

const screen = new Screen();
const { video } = screen;
let worker = null;
let playing = null; // { capture, resampler, stream, url, pending, isPaused, isBehind, isOver, ... }
let generation = 0; // of what is played: whatever was asked for before is over

function start() {
  if (!WebAssembly.validate(new Uint8Array(SIMD))) return screen.warn(MESSAGES.simd);
  if (!("OffscreenCanvas" in window)) return screen.warn(MESSAGES.old);
  worker = new Worker("worker.js", { type: "module" });
  worker.onmessage = ({ data }) => ANSWERS[data.kind](data);
  worker.onerror = (event) => {
    event.preventDefault();
    fail(event.message || "its worker could not be loaded");
  };
  worker.postMessage({ kind: "load" });
  return null;
}

const ANSWERS = {
  progress: ({ done, of }) => screen.progress(done / of),
  ready: ({ facts }) => {
    screen.describe(facts, describeLimits(facts));
    screen.notify(MESSAGES.ready);
  },
  step: (step) => {
    if (!playing || step.generation !== generation) return;
    playing.pending -= 1;
    screen.add(step);
    if (playing.isPaused || playing.isOver) screen.draw();
    resume();
    if (playing.isOver && !playing.pending) finish();
  },
  ended: ({ generation: ended, event }) => {
    if (!playing || ended !== generation) return;
    if (event) screen.addWord(event);
    screen.draw();
    stop();
    screen.notify(MESSAGES.ended);
  },
  failed: ({ reason }) => fail(reason),
};

function fail(reason) {
  stop();
  screen.warn(describeFailure(reason));
}

async function useCamera() {
  stop();
  const own = generation;
  if (!navigator.mediaDevices) {
    screen.warn(MESSAGES.insecure);
    return;
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia(CAMERA);
    if (generation !== own) {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    video.srcObject = stream;
    stream.getVideoTracks()[0].onended = () => {
      if (generation !== own) return;
      stop();
      screen.warn(MESSAGES.unplugged);
    };
    await play({ stream });
  } catch (error) {
    if (generation !== own) return;
    stop();
    screen.warn(describeCamera(error));
  }
}

async function useFile(file) {
  stop();
  const own = generation;
  const url = typeof file === "string" ? file : URL.createObjectURL(file);
  video.src = url;
  try {
    await play({ url });
  } catch {
    if (generation !== own) return; // another one was opened while this one loaded
    stop();
    screen.warn(MESSAGES.unreadable);
  }
}

async function play(source) {
  const resampler = new Resampler();
  playing = { ...source, resampler, pending: 0, isFirst: true };
  screen.open(Boolean(source.stream));
  const onFrame = (bitmap, seconds) => {
    screen.count(seconds);
    resampler.push(seconds, bitmap).forEach(send);
  };
  // What was read is drawn together with the next frame of the video: each drawing costs as much.
  playing.capture = new Capture(video, onFrame, () => screen.draw());
  await video.play();
}

// Hand a frame to the worker, once for each of its times.
function send({ frame, times, isRestart }) {
  if (playing.stream && playing.pending > DROP_AT) playing.isBehind = true;
  if (playing.isBehind) {
    frame.close();
    if (playing.pending < PLAY_AT) {
      playing.isBehind = false;
      playing.isFirst = true;
    } else {
      screen.warn(MESSAGES.slow);
    }
    return;
  }
  times.forEach((seconds, n) => {
    const isLast = n === times.length - 1;
    const restart = n === 0 && (isRestart || playing.isFirst);
    const message = { kind: "frame", bitmap: frame, seconds, isRestart: restart, generation };
    worker.postMessage(message, isLast ? [frame] : []);
    playing.pending += 1;
    playing.isFirst = false;
  });
  if (!times.length) frame.close();
  if (!playing.stream && playing.pending > PAUSE_AT && !playing.isPaused) {
    playing.isPaused = true;
    video.pause();
  }
}

function resume() {
  if (!playing.isPaused || playing.pending > PLAY_AT || video.ended) return; // it would start again
  playing.isPaused = false;
  video.play().catch(() => {});
}

// The file is over: its last frame is still to be read.
function end() {
  if (!playing || playing.stream) return;
  const own = generation;
  playing.capture.queue.then(() => {
    if (generation !== own) return;
    playing.resampler.finish().forEach(send);
    playing.isOver = true;
    if (!playing.pending) finish();
  });
}

// All frames were read: the worker still knows the last word.
function finish() {
  worker.postMessage({ kind: "end", generation });
}

function stop() {
  if (playing) {
    playing.capture?.stop();
    playing.stream?.getTracks().forEach((track) => track.stop());
    if (playing.url?.startsWith("blob:")) URL.revokeObjectURL(playing.url);
    // What it would still report belongs to no later video.
    worker.postMessage({ kind: "end", generation });
  }
  generation += 1;
  playing = null;
  video.pause();
  video.removeAttribute("src");
  video.srcObject = null;
  screen.close();
}

screen.on({
  camera: useCamera,
  file: useFile,
  stop: () => {
    stop();
    screen.notify(MESSAGES.ready);
  },
});
video.addEventListener("ended", end);
start();
