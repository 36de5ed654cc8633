// Spotter: from the probabilities of a stream's windows to words at times (lipnet/live/spotter.py).

const ROUNDING = 1e-9; // seconds: the same two frames anywhere in a stream are equally far apart

// A word is reported at the peak of its probability, as soon as that falls. The peak is at least
// `threshold`, and at least `refractory` seconds after the last word. A word is not reported twice
// unless its probability was below the threshold in between.
export class Spotter {
  constructor({ labels, background, threshold, refractory }) {
    Object.assign(this, { labels, background, threshold, refractory });
    this.start();
  }

  start() {
    this.armed = this.labels.map(() => true);
    this.peak = null;
    this.last = -Infinity;
  }

  // A word { word, probability, seconds } whose probability was highest at the reading before this
  // one, or null.
  push(reading) {
    let event = null;
    if (this.peak) {
      const { word, reading: best } = this.peak;
      if (reading.probabilities[word] > best.probabilities[word]) {
        this.peak = { word, reading };
      } else {
        event = this.report();
      }
    }
    this.armed = this.armed.map((armed, n) => armed || reading.probabilities[n] < this.threshold);
    this.peak ||= this.findPeak(reading);
    return event;
  }

  // The word whose probability was still rising when the face was lost, or null.
  interrupt() {
    const event = this.peak && this.report();
    this.start();
    return event;
  }

  // The most likely word of a reading, as the number of its label; the background is not a word.
  best({ probabilities }) {
    let best = -1;
    probabilities.forEach((value, n) => {
      if (this.labels[n] === this.background) return;
      if (best < 0 || value > probabilities[best]) best = n;
    });
    return best;
  }

  findPeak(reading) {
    const word = this.best(reading);
    const isLate = reading.seconds - this.last >= this.refractory - ROUNDING;
    const isLikely = word >= 0 && reading.probabilities[word] >= this.threshold;
    return isLikely && this.armed[word] && isLate ? { word, reading } : null;
  }

  report() {
    const { word, reading } = this.peak;
    this.peak = null;
    this.last = reading.seconds;
    this.armed[word] = false;
    const probability = reading.probabilities[word];
    return { word: this.labels[word], probability, seconds: reading.seconds };
  }
}
