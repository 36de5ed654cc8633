// MeshTracker: MediaPipe's face mesh, followed from frame to frame (lipnet/landmarks/mesh.py).

import { areaOf, overlap } from "./face_detector.js";
import { Region, boundsOf } from "./region.js";

const SIZE = 192;
const MIN_FLAG = 0.5; // probability that the region shows a face
const MARGIN = 1.5;
const FIRST_RUNS = 5; // from a detection, the points need some runs to settle
const SAME_FACE = 0.3;
const EYES = [33, 263];

export class MeshTracker {
  // `points` are the numbers of the mesh's points that stand for the 68.
  constructor(detector, network, points) {
    Object.assign(this, { detector, network, points });
    this.reset();
  }

  // Forget the face: the next frame is of another stream.
  reset() {
    this.region = null;
    this.last = null; // the box of the face that was followed last
  }

  // The face in the next frame: its box, its 68 points, and whether it is not the face before; null
  // if it is not seen.
  async step(frame) {
    const before = this.last;
    let marked = this.region && (await this.mark(frame, this.region));
    const isFollowed = Boolean(marked);
    marked ||= await this.search(frame);
    this.region = marked && marked.region;
    if (!marked) return null;
    this.last = marked.box;
    const isNew = !isFollowed && (!before || overlap(before, marked.box) < SAME_FACE);
    return { box: marked.box, points: this.points.map((n) => marked.points[n]), isNew };
  }

  // How many faces the frame has.
  async count(frame) {
    return (await this.detector.find(frame)).length;
  }

  async search(frame) {
    const face = this.choose(await this.detector.find(frame));
    let marked = null;
    let region = face && face.region;
    for (let run = 0; run < FIRST_RUNS; run += 1) {
      marked = region && (await this.mark(frame, region));
      region = marked && marked.region;
    }
    return marked;
  }

  // The face that was followed so far if it is among them, else the largest.
  choose(faces) {
    const best = (measure) =>
      faces.reduce((one, other) => (one && measure(one) >= measure(other) ? one : other), null);
    if (this.last) {
      const near = best((face) => overlap(face.box, this.last));
      if (near && overlap(near.box, this.last) >= SAME_FACE) return near;
    }
    return best((face) => areaOf(face.box));
  }

  async mark(frame, region) {
    const planes = region.sample(frame, SIZE, { scale: 1 / 255, shift: 0, isBlack: false });
    if (!planes) return null;
    const [values, [logit]] = await this.network(planes, SIZE);
    if (1 / (1 + Math.exp(-logit)) < MIN_FLAG) return null;
    const points = [];
    for (let at = 0; at < values.length; at += 3) {
      points.push(region.place(values[at] / SIZE, values[at + 1] / SIZE));
    }
    const next = Region.around(points, MARGIN, [points[EYES[0]], points[EYES[1]]]);
    return { points, box: boundsOf(points), region: next };
  }
}
