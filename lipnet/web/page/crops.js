// Cropper: the mouth as training crops it, smoothed over past frames only (lipnet/crops,
// lipnet/data/shrink.py).

const STABLE = [33, 36, 39, 42, 45]; // base of the nose, corners of the eyes
const MOUTH = [48, 68];
const MIN_SCALE = 0.5; // below it, bilinear sampling would skip pixels
// OpenCV's weights of red, green and blue, in 1 / 32768.
const GREY = [9798, 19235, 3735];
const GREY_HALF = 16384;
const GREY_BITS = 15;

export class Cropper {
  // `facts`: size of the crop, frames of smoothing (smooth, smoothCentre), and the 68 points `face`.
  constructor(facts) {
    this.facts = facts;
    this.face = STABLE.map((n) => facts.face[n]);
    this.reset();
  }

  // Forget the frames so far: the next one shows another face.
  reset() {
    this.stable = [];
    this.mouths = [];
  }

  // The matrix [a, b, x, c, d, y] from the next frame's pixels to its crop's; null if the points
  // coincide.
  place(points) {
    const { size, smooth, smoothCentre } = this.facts;
    this.stable = [...this.stable, STABLE.map((n) => points[n])].slice(-smooth);
    this.mouths = [...this.mouths, meanOf(points.slice(...MOUTH))].slice(-smoothCentre);
    const source = STABLE.map((_, n) => meanOf(this.stable.map((each) => each[n])));
    const fitted = fitSimilarity(source, this.face);
    if (!fitted) return null;
    const [cosine, sine] = fitted.turn;
    const [mouthX, mouthY] = meanOf(this.mouths);
    const x = size / 2 - (cosine * mouthX - sine * mouthY);
    const y = size / 2 - (sine * mouthX + cosine * mouthY);
    return [cosine, -sine, x, sine, cosine, y];
  }

  // The crop [size, size] of a frame, grey.
  cut(frame, matrix) {
    const scale = Math.hypot(matrix[0], matrix[3]);
    const factor = scale < MIN_SCALE ? Math.floor(MIN_SCALE / Math.max(scale, 1e-6)) : 1;
    if (factor < 2) return warp((x, y) => greyAt(frame, x, y), frame, matrix, this.facts.size);
    const width = Math.max(1, Math.floor(frame.width / factor));
    const height = Math.max(1, Math.floor(frame.height / factor));
    const small = shrink(toGrey(frame), frame.width, frame.height, width, height);
    const scaled = rescale(matrix, frame.width / width, frame.height / height);
    return warp((x, y) => small[y * width + x], { width, height }, scaled, this.facts.size);
  }
}

// What the model sees of a crop: its centre, shrunk; and the same, normalised.
export function viewOf(crop, { size, storedField, storedSize, inputSize, mean, std }) {
  const edge = Math.max(0, Math.floor((size - storedField) / 2));
  const field = Math.min(size, storedField);
  let image = cutOut(crop, size, edge, field);
  if (field !== storedSize) image = shrink(image, field, field, storedSize, storedSize);
  const seen = cutOut(image, storedSize, Math.floor((storedSize - inputSize) / 2), inputSize);
  const normalised = new Float32Array(seen.length);
  for (let n = 0; n < seen.length; n += 1) normalised[n] = (seen[n] / 255 - mean) / std;
  return { seen, normalised };
}

function cutOut(image, width, edge, side) {
  const cut = new Uint8Array(side * side);
  for (let row = 0; row < side; row += 1) {
    const start = (row + edge) * width + edge;
    cut.set(image.subarray(start, start + side), row * side);
  }
  return cut;
}

function meanOf(points) {
  const sum = points.reduce(([x, y], point) => [x + point[0], y + point[1]], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}

// The least-squares rotation and scale [cosine, sine] of points onto others (Umeyama, as one complex
// quotient); null if the points coincide.
function fitSimilarity(source, target) {
  const [sourceMean, targetMean] = [meanOf(source), meanOf(target)];
  let [real, imaginary, spread] = [0, 0, 0];
  source.forEach(([x, y], n) => {
    const [dx, dy] = [x - sourceMean[0], y - sourceMean[1]];
    const [tx, ty] = [target[n][0] - targetMean[0], target[n][1] - targetMean[1]];
    real += dx * tx + dy * ty;
    imaginary += dx * ty - dy * tx;
    spread += dx * dx + dy * dy;
  });
  return spread > 0 ? { turn: [real / spread, imaginary / spread] } : null;
}

// The matrix for a frame of which one pixel covers `across` x `down` of the pixels before.
function rescale([a, b, x, c, d, y], across, down) {
  const shift = [(across - 1) / 2, (down - 1) / 2];
  return [
    a * across, b * down, x + a * shift[0] + b * shift[1],
    c * across, d * down, y + c * shift[0] + d * shift[1],
  ];
}

function greyAt({ data, width }, x, y) {
  const at = 4 * (y * width + x);
  return (
    (data[at] * GREY[0] + data[at + 1] * GREY[1] + data[at + 2] * GREY[2] + GREY_HALF) >> GREY_BITS
  );
}

function toGrey(frame) {
  const grey = new Uint8Array(frame.width * frame.height);
  for (let y = 0, at = 0; y < frame.height; y += 1) {
    for (let x = 0; x < frame.width; x += 1, at += 1) grey[at] = greyAt(frame, x, y);
  }
  return grey;
}

// Bilinear samples at the places that the matrix (frame to crop) takes to the crop's pixels; beyond
// the frame its edge is repeated.
function warp(read, { width, height }, [a, b, x, c, d, y], size) {
  const determinant = a * d - b * c;
  const crop = new Uint8Array(size * size);
  const within = (value, limit) => Math.min(Math.max(value, 0), limit - 1);
  for (let row = 0, at = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1, at += 1) {
      const across = column - x;
      const down = row - y;
      const sourceX = (d * across - b * down) / determinant;
      const sourceY = (a * down - c * across) / determinant;
      const left = Math.floor(sourceX);
      const top = Math.floor(sourceY);
      const right = sourceX - left;
      const low = sourceY - top;
      const x0 = within(left, width);
      const x1 = within(left + 1, width);
      const y0 = within(top, height);
      const y1 = within(top + 1, height);
      const upper = (1 - right) * read(x0, y0) + right * read(x1, y0);
      const lower = (1 - right) * read(x0, y1) + right * read(x1, y1);
      crop[at] = roundHalfEven((1 - low) * upper + low * lower);
    }
  }
  return crop;
}

// A grey image at another size by area averaging, as OpenCV's INTER_AREA for smaller ones.
export function shrink(image, width, height, newWidth, newHeight) {
  const [columns, rows] = [sharesOf(width, newWidth), sharesOf(height, newHeight)];
  const shrunk = new Uint8Array(newWidth * newHeight);
  // OpenCV rounds the mean of 2 x 2 pixels by adding a half, and others to the even number.
  const isHalf = width === 2 * newWidth && height === 2 * newHeight;
  const round = isHalf ? Math.round : roundHalfEven;
  rows.forEach((rowShares, row) => {
    columns.forEach((columnShares, column) => {
      let sum = 0;
      for (const [y, tall] of rowShares) {
        for (const [x, wide] of columnShares) sum += tall * wide * image[y * width + x];
      }
      shrunk[row * newWidth + column] = round(sum);
    });
  });
  return shrunk;
}

// For each new pixel of a line, the pixels [number, share] that it covers.
function sharesOf(length, newLength) {
  const step = length / newLength;
  return Array.from({ length: newLength }, (_, n) => {
    const [start, end] = [n * step, Math.min((n + 1) * step, length)];
    const shares = [];
    for (let at = Math.floor(start); at < end; at += 1) {
      const covered = Math.min(at + 1, end) - Math.max(at, start);
      if (covered > 1e-6) shares.push([at, covered / (end - start)]);
    }
    return shares;
  });
}

function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
