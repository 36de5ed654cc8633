// The worker: loads the networks, then answers every frame with what was read.
//
// In:  { kind: "load", isDetailed }, { kind: "frame", bitmap, seconds, isRestart, generation },
//      { kind: "end", generation }: no frame of this stream follows
// Out: { kind: "progress", done, of }, { kind: "ready", facts }, { kind: "failed", reason },
//      { kind: "step", took, parts, ... }: milliseconds, in all and of its parts, and what was read,
//      { kind: "ended", generation, event }: the stream's last word, or null

import * as ort from "./runtime/ort.wasm.min.mjs";

import { FaceDetector } from "./face_detector.js";
import { MeshTracker } from "./face_mesh.js";
import { Reader } from "./reader.js";

const WORK = { load, frame: read, end };
const NETWORKS = ["detector", "mesh", "frame", "head"];

let reader = null;
let canvas = null;
let parts = {}; // milliseconds that parts of the frame's work took
let queue = Promise.resolve();

self.onmessage = ({ data }) => {
  queue = queue.then(() => WORK[data.kind](data)).catch((error) => {
    self.postMessage({ kind: "failed", reason: String(error && error.message || error) });
  });
};

async function load({ isDetailed }) {
  const facts = await (await get("model.json")).json();
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("./runtime/", self.location.href).href;
  const sessions = {};
  for (const [done, name] of NETWORKS.entries()) {
    self.postMessage({ kind: "progress", done, of: NETWORKS.length });
    sessions[name] = await open(facts.files[name]);
  }
  const [detector, mesh] = ["detector", "mesh"].map((name) => (planes, size) =>
    timed(name, () => runImage(sessions[name], planes, size)));
  const tracker = new MeshTracker(new FaceDetector(detector), mesh, facts.meshPoints);
  reader = new Reader(facts, tracker, makeGraphs(sessions, facts), isDetailed);
  self.postMessage({ kind: "ready", facts });
}

async function get(path) {
  const answer = await fetch(new URL(path, self.location.href));
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  return answer;
}

async function open(path) {
  const content = new Uint8Array(await (await get(path)).arrayBuffer());
  return ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
}

async function timed(part, work) {
  const started = performance.now();
  const made = await work();
  parts[part] = (parts[part] || 0) + performance.now() - started;
  return made;
}

// A face network's outputs for planes [3, size, size], the one with the most values first.
async function runImage(session, planes, size) {
  const image = new ort.Tensor("float32", planes, [1, 3, size, size]);
  const outputs = Object.values(await session.run({ image }));
  return outputs.map(({ data }) => data).sort((one, other) => other.length - one.length);
}

function makeGraphs({ frame, head }, facts) {
  const side = facts.view.inputSize;
  return {
    async features(values, count) {
      const windows = new ort.Tensor("float32", values, [count, 5, side, side]);
      return (await timed("frame graph", () => frame.run({ windows }))).features.data;
    },
    async logits(values, count) {
      const features = new ort.Tensor("float32", values, [count, values.length / count]);
      return (await timed("head", () => head.run({ features }))).logits.data;
    },
  };
}

async function read({ bitmap, seconds, isRestart, generation }) {
  const started = performance.now();
  parts = {};
  const { width, height } = bitmap;
  if (!canvas || canvas.width !== width || canvas.height !== height) {
    canvas = new OffscreenCanvas(width, height);
  }
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  // A plain object: the properties of ImageData are slow to read, and are read for every pixel.
  const { data } = context.getImageData(0, 0, width, height);
  parts.pixels = performance.now() - started;
  const step = await reader.push({ data, width, height }, seconds, isRestart);
  const took = performance.now() - started;
  self.postMessage({ kind: "step", generation, width, height, took, parts, ...step });
}

function end({ generation }) {
  self.postMessage({ kind: "ended", generation, event: reader ? reader.finish() : null });
}
