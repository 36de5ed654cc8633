// Region: a turned square of a frame, sampled as the input of a network (lipnet/landmarks/region.py).

// Pixel (0, 0) covers 0 to 1. Points that `place` returns are counted from the centre of that pixel.
export class Region {
  constructor(x, y, side, angle = 0) {
    Object.assign(this, { x, y, side, angle });
    this.cosine = side * Math.cos(angle);
    this.sine = side * Math.sin(angle);
  }

  // The smallest upright square around a whole frame, with the same centre.
  static ofFrame(frame) {
    return new Region(frame.width / 2, frame.height / 2, Math.max(frame.width, frame.height));
  }

  // A square `margin` times as large as the points' box, turned so that the eyes are level.
  static around(points, margin, [leftEye, rightEye]) {
    const { left, top, right, bottom } = boundsOf(points);
    const side = margin * Math.max(right - left, bottom - top);
    const angle = Math.atan2(rightEye[1] - leftEye[1], rightEye[0] - leftEye[0]);
    return new Region((left + right) / 2 + 0.5, (top + bottom) / 2 + 0.5, side, angle);
  }

  // A point of the square (0 to 1 from its top left) as a point of the frame.
  place(x, y) {
    const [across, down] = [x - 0.5, y - 0.5];
    return [
      this.cosine * across - this.sine * down + this.x - 0.5,
      this.sine * across + this.cosine * down + this.y - 0.5,
    ];
  }

  isOutside(frame) {
    const corners = [this.place(0, 0), this.place(1, 0), this.place(0, 1), this.place(1, 1)];
    const { left, top, right, bottom } = boundsOf(corners);
    return (
      Math.floor(left) - 1 >= frame.width ||
      Math.floor(top) - 1 >= frame.height ||
      Math.ceil(right) + 2 <= 0 ||
      Math.ceil(bottom) + 2 <= 0
    );
  }

  // The square as planes [3, size, size] of value * scale + shift, bilinear and not rounded; null if
  // it is outside of the frame. `isBlack`: beyond the frame there is black, else the frame's edge.
  sample(frame, size, { scale, shift, isBlack }) {
    if (this.isOutside(frame)) return null;
    const planes = new Float32Array(3 * size * size);
    const read = isBlack ? readOrBlack : readNearest;
    const { data, width, height } = frame;
    const pixels = new Uint32Array(data.buffer, data.byteOffset, width * height);
    const colour = new Float64Array(3);
    const area = size * size;
    for (let row = 0, at = 0; row < size; row += 1) {
      const down = (row + 0.5) / size - 0.5;
      for (let column = 0; column < size; column += 1, at += 1) {
        const across = (column + 0.5) / size - 0.5;
        const x = this.cosine * across - this.sine * down + this.x - 0.5;
        const y = this.sine * across + this.cosine * down + this.y - 0.5;
        if (x >= 0 && y >= 0 && x < width - 1 && y < height - 1) {
          interpolate(pixels, width, x, y, colour);
        } else {
          interpolateBeyond(frame, x, y, read, colour);
        }
        planes[at] = colour[0] * scale + shift;
        planes[area + at] = colour[1] * scale + shift;
        planes[2 * area + at] = colour[2] * scale + shift;
      }
    }
    return planes;
  }
}

export function boundsOf(points) {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const [x, y] of points) {
    box.left = Math.min(box.left, x);
    box.top = Math.min(box.top, y);
    box.right = Math.max(box.right, x);
    box.bottom = Math.max(box.bottom, y);
  }
  return box;
}

// The colour at a point within the frame. It is called for every pixel of a network's input, and reads
// the colours of a pixel at once.
function interpolate(pixels, width, x, y, colour) {
  const left = x | 0;
  const top = y | 0;
  const right = x - left;
  const down = y - top;
  const upperLeft = (1 - right) * (1 - down);
  const upperRight = right * (1 - down);
  const lowerLeft = (1 - right) * down;
  const lowerRight = right * down;
  const at = top * width + left;
  const a = pixels[at];
  const b = pixels[at + 1];
  const c = pixels[at + width];
  const d = pixels[at + width + 1];
  colour[0] =
    upperLeft * (a & 255) + upperRight * (b & 255) + lowerLeft * (c & 255) + lowerRight * (d & 255);
  colour[1] =
    upperLeft * ((a >> 8) & 255) + upperRight * ((b >> 8) & 255) +
    lowerLeft * ((c >> 8) & 255) + lowerRight * ((d >> 8) & 255);
  colour[2] =
    upperLeft * ((a >> 16) & 255) + upperRight * ((b >> 16) & 255) +
    lowerLeft * ((c >> 16) & 255) + lowerRight * ((d >> 16) & 255);
}

// The colour at a point between the frame's last pixels and what `read` gives beyond them.
function interpolateBeyond(frame, x, y, read, colour) {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const right = x - left;
  const down = y - top;
  colour.fill(0);
  read(frame, left, top, (1 - right) * (1 - down), colour);
  read(frame, left + 1, top, right * (1 - down), colour);
  read(frame, left, top + 1, (1 - right) * down, colour);
  read(frame, left + 1, top + 1, right * down, colour);
}

function readOrBlack(frame, x, y, weight, colour) {
  if (x >= 0 && y >= 0 && x < frame.width && y < frame.height) {
    addPixel(frame, x, y, weight, colour);
  }
}

function readNearest(frame, x, y, weight, colour) {
  const column = Math.min(Math.max(x, 0), frame.width - 1);
  addPixel(frame, column, Math.min(Math.max(y, 0), frame.height - 1), weight, colour);
}

function addPixel(frame, x, y, weight, colour) {
  const at = 4 * (y * frame.width + x);
  colour[0] += weight * frame.data[at];
  colour[1] += weight * frame.data[at + 1];
  colour[2] += weight * frame.data[at + 2];
}
