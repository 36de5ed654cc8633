// Screen: the elements of the page, and how they show what is known.

import { MESSAGES } from "./messages.js";
import { RATE } from "./rate.js";

const SECOND = 1000;
const MIN_RATE = 20; // frames per second; with fewer, movements of the lips are missed
const MAX_WORDS = 60; // in the list of words so far
// Drawing costs as much as reading on a device without a GPU, so only what a person can see is
// drawn, and when the video is drawn anyway: numbers as often as they can be read, the face's box if
// it moved by this share of its size.
const NUMBERS_EVERY = 250; // milliseconds
const MOVED = 0.02;
const STATES = {
  face: "seen",
  held: "hidden for a moment",
  "new face": "another one",
  restart: "seen",
  "no face": "none",
};
const NAMES = [
  ...["screen", "video", "overlay", "notice", "notice-title", "notice-text", "progress", "model"],
  ...["camera", "choose", "file", "example", "stop", "word", "probability", "likely", "mouth"],
  ...["state", "speed", "rate", "transcript", "limits", "labels"],
];

export class Screen {
  constructor() {
    this.at = Object.fromEntries(NAMES.map((name) => [name, document.getElementById(name)]));
    this.video = this.at.video;
    this.facts = null;
    this.clear();
  }

  on({ camera, file, stop }) {
    const { at } = this;
    at.camera.addEventListener("click", camera);
    at.choose.addEventListener("click", () => at.file.click());
    at.file.addEventListener("change", () => at.file.files[0] && file(at.file.files[0]));
    at.example.addEventListener("click", () => file(this.facts.example));
    at.stop.addEventListener("click", stop);
  }

  // The model is loaded.
  describe(facts, limits) {
    const { at } = this;
    this.facts = facts;
    const words = facts.labels.filter((label) => label !== facts.background);
    at.model.textContent = `${facts.spec}, ${words.length} words. ${at.model.textContent}`;
    at.labels.textContent = words.join(", ");
    at.limits.replaceChildren(...limits.map((text) => makeElement("li", text)));
    at.progress.remove();
    for (const name of ["camera", "choose", "example"]) at[name].disabled = false;
    at.example.hidden = !facts.example;
    [at.mouth.width, at.mouth.height] = [facts.view.inputSize, facts.view.inputSize];
    this.image = at.mouth.getContext("2d").createImageData(at.mouth.width, at.mouth.height);
    this.image.data.fill(255);
  }

  progress(share) {
    this.at.progress.value = share;
  }

  notify([title, text], isWarning = false) {
    this.at.notice.classList.toggle("warning", isWarning);
    if (this.at["notice-title"].textContent === title) return;
    this.at["notice-title"].textContent = title;
    this.at["notice-text"].textContent = text;
  }

  warn(message) {
    this.notify(message, true);
  }

  open(isCamera) {
    const { at } = this;
    this.clear();
    at.screen.classList.add("playing");
    at.screen.classList.toggle("mirrored", isCamera);
    at.stop.disabled = false;
    at.transcript.replaceChildren();
  }

  close() {
    this.at.screen.classList.remove("playing");
    this.at.stop.disabled = true;
    this.at.file.value = "";
    this.at.overlay.width = 0;
    this.box = null;
  }

  clear() {
    this.numbered = -Infinity; // when the numbers were shown
    this.box = null; // of the face that is drawn
    this.own = []; // media times of the source's frames
    this.steps = []; // when steps came
    this.unseen = 0;
    this.waiting = null; // what is to be drawn: the newest of each part of the steps
  }

  // A frame of the camera or file came.
  count(seconds) {
    this.own = [...this.own.filter((each) => seconds - each < 1 && each < seconds), seconds];
  }

  // A frame was read. What is known of it is drawn by `draw`, but for a word and a message.
  add(step) {
    const now = performance.now();
    this.steps = [...this.steps.filter((each) => now - each < SECOND), now];
    const isLost = step.state === "no face";
    this.waiting = isLost ? { ...step, isLost } : { ...this.waiting, ...step };
    if (step.event) this.addWord(step.event);
    this.advise(step);
  }

  // Draw what was read since the last drawing.
  draw() {
    const step = this.waiting;
    if (!step) return;
    this.waiting = null;
    const isOneOf = step.faces > 1 && step.state !== "no face";
    this.setText("state", `${STATES[step.state]}${isOneOf ? `, of ${step.faces}` : ""}`);
    this.showNumbers(step.took);
    this.drawFace(step);
    if (step.seen) this.drawMouth(step.seen);
    if (step.isLost) {
      this.showWord(null);
      this.showBars([]);
    }
    if (step.reading) this.showReading(step.reading);
  }

  // The most important of what is wrong, if anything is.
  advise(step) {
    this.unseen = step.state === "no face" ? this.unseen + 1 : 0;
    const isSlowSource = step.seconds > 2 && this.own.length < MIN_RATE && this.own.length > 1;
    if (this.unseen > RATE / 2) this.warn(MESSAGES.face);
    else if (step.faces > 1) this.warn(MESSAGES.faces);
    else if (isSlowSource) this.warn(MESSAGES.rate);
    else if (!this.unseen) this.notify(["Reading", "Nothing leaves this device."]);
  }

  showNumbers(took) {
    const now = performance.now();
    if (now - this.numbered < NUMBERS_EVERY) return;
    this.numbered = now;
    this.setText("speed", `${this.steps.length} frames per second read, ${took.toFixed(0)} ms each`);
    this.setText("rate", `${this.own.length} frames per second, read at ${RATE}`);
  }

  setText(name, text) {
    if (this.at[name].textContent !== text) this.at[name].textContent = text;
  }

  drawFace({ box = null, width, height }) {
    const { overlay } = this.at;
    if (!isMoved(this.box, box)) return;
    this.box = box;
    [overlay.width, overlay.height] = [width, height];
    if (!box) return;
    const context = overlay.getContext("2d");
    context.strokeStyle = "#7fe0a0";
    context.lineWidth = Math.max(2, width / 240);
    context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  }

  drawMouth(seen) {
    const { data } = this.image;
    for (let n = 0; n < seen.length; n += 1) data.fill(seen[n], 4 * n, 4 * n + 3);
    this.at.mouth.getContext("2d").putImageData(this.image, 0, 0);
  }

  showReading({ top }) {
    const words = top.filter(({ word }) => word !== this.facts.background);
    this.showBars(words);
    const isSaid = words.length && words[0].probability >= this.facts.threshold;
    this.showWord(isSaid && top[0].word === words[0].word ? words[0] : null);
  }

  // A bar for each word; bars that are there are used again.
  showBars(words) {
    const { likely } = this.at;
    while (likely.children.length > words.length) likely.lastChild.remove();
    while (likely.children.length < words.length) likely.append(makeBar());
    words.forEach((own, n) => setBar(likely.children[n], own));
  }

  showWord(said) {
    this.setText("word", said ? said.word : "nothing said");
    this.at.word.parentElement.classList.toggle("quiet", !said);
    this.setText("probability", said ? formatPercent(said.probability) : "");
  }

  addWord({ word, probability, seconds }) {
    const item = makeElement("li", `${word} `);
    item.append(makeElement("small", `${formatPercent(probability)} at ${seconds.toFixed(1)} s`));
    this.at.transcript.append(item);
    if (this.at.transcript.children.length > MAX_WORDS) this.at.transcript.firstChild.remove();
  }
}

function makeElement(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

function makeBar() {
  const item = makeElement("li", "");
  const bar = makeElement("progress", "");
  bar.max = 1;
  bar.setAttribute("aria-hidden", "true");
  item.append(bar, makeElement("span", ""), makeElement("span", ""));
  return item;
}

function setBar(item, { word, probability }) {
  const [bar, name, share] = item.children;
  const percent = formatPercent(probability);
  if (name.textContent !== word) name.textContent = word;
  if (share.textContent === percent) return;
  share.textContent = percent;
  bar.value = probability;
}

// Whether a box, or null, is so far from the one that is drawn that it is drawn again.
function isMoved(drawn, box) {
  if (!drawn || !box) return drawn !== box;
  const limit = MOVED * (box.right - box.left);
  return Object.keys(box).some((side) => Math.abs(box[side] - drawn[side]) > limit);
}

function formatPercent(share) {
  return `${Math.round(100 * share)}\u00a0%`;
}
