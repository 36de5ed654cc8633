// FaceDetector: MediaPipe's BlazeFace, its anchors, and its faces (lipnet/landmarks/blaze_face.py).

import { Region } from "./region.js";

const SIZE = 128;
const GRIDS = [[16, 2], [8, 6]]; // cells per side, and anchors per cell
const VALUES = 16; // per anchor: a box, and six points of which the first two are the eyes
const MIN_SCORE = 0.5;
const SAME_FACE = 0.3; // detections that overlap by more are averaged
const MAX_LOGIT = 100;
const FACE_MARGIN = 1.5;

export class FaceDetector {
  constructor(network) {
    this.network = network;
    this.anchors = makeAnchors();
  }

  // Every face of a frame, best first: its box, its score, and the region for the mesh.
  async find(frame) {
    const whole = Region.ofFrame(frame);
    const planes = whole.sample(frame, SIZE, { scale: 1 / 127.5, shift: -1, isBlack: true });
    const [rows, logits] = await this.network(planes, SIZE);
    return merge(this.decode(rows, logits)).map((face) => placeFace(face, whole));
  }

  decode(rows, logits) {
    const found = [];
    this.anchors.forEach(([anchorX, anchorY], index) => {
      const logit = Math.min(Math.max(logits[index], -MAX_LOGIT), MAX_LOGIT);
      const score = 1 / (1 + Math.exp(-logit));
      if (score < MIN_SCORE) return;
      const row = rows.subarray(index * VALUES, (index + 1) * VALUES);
      const at = (n) => [row[2 * n] / SIZE + anchorX, row[2 * n + 1] / SIZE + anchorY];
      const [x, y] = at(0);
      const [halfWidth, halfHeight] = [row[2] / SIZE / 2, row[3] / SIZE / 2];
      const corners = [[x - halfWidth, y - halfHeight], [x + halfWidth, y + halfHeight]];
      found.push({ score, points: [...corners, at(2), at(3)] });
    });
    return found.sort((one, other) => other.score - one.score);
  }
}

function makeAnchors() {
  const anchors = [];
  for (const [cells, perCell] of GRIDS) {
    for (let cell = 0; cell < cells * cells; cell += 1) {
      const centre = [((cell % cells) + 0.5) / cells, (Math.floor(cell / cells) + 0.5) / cells];
      for (let n = 0; n < perCell; n += 1) anchors.push(centre);
    }
  }
  return anchors;
}

// Those that overlap the best are averaged by their scores, then the best of the rest, and so on.
function merge(found) {
  const merged = [];
  let left = found;
  while (left.length) {
    const best = left[0];
    const isSame = (face) => face === best || overlap(boxOf(face), boxOf(best)) > SAME_FACE;
    const same = left.filter(isSame);
    left = left.filter((face) => !isSame(face));
    const total = same.reduce((sum, face) => sum + face.score, 0);
    const mean = (n, axis) =>
      same.reduce((sum, face) => sum + face.score * face.points[n][axis], 0) / total;
    const points = best.points.map((_, n) => [mean(n, 0), mean(n, 1)]);
    merged.push({ score: best.score, points });
  }
  return merged;
}

function placeFace({ score, points }, whole) {
  const [topLeft, bottomRight, ...eyes] = points.map(([x, y]) => whole.place(x, y));
  const region = Region.around([topLeft, bottomRight], FACE_MARGIN, eyes);
  return { score, region, box: boxOf({ points: [topLeft, bottomRight] }) };
}

function boxOf({ points: [[left, top], [right, bottom]] }) {
  return { left, top, right, bottom };
}

// Intersection over union of two boxes.
export function overlap(one, other) {
  const shared = areaOf({
    left: Math.max(one.left, other.left),
    top: Math.max(one.top, other.top),
    right: Math.min(one.right, other.right),
    bottom: Math.min(one.bottom, other.bottom),
  });
  return shared / Math.max(areaOf(one) + areaOf(other) - shared, 1e-9);
}

export function areaOf({ left, top, right, bottom }) {
  return Math.max(0, right - left) * Math.max(0, bottom - top);
}
