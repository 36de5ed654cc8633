// Screen: the elements of the page, and how they show what is known.

import { MESSAGES } from "./messages.js";
import { RATE } from "./rate.js";

const SECOND = 1000;
const MIN_RATE = 20; // frames per second; with fewer, movements of the lips are missed
const MAX_WORDS = 60; // in the list of words so far
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
    at.model.textContent = `${facts.spec}, ${facts.labels.length} labels. ${at.model.textContent}`;
    at.labels.textContent = facts.labels.join(", ");
    at.limits.replaceChildren(...limits.map((text) => makeElement("li", text)));
    at.progress.remove();
    for (const name of ["camera", "choose", "example"]) at[name].disabled = false;
    at.example.hidden = !facts.example;
    [at.mouth.width, at.mouth.height] = [facts.view.inputSize, facts.view.inputSize];
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
  }

  clear() {
    this.own = []; // media times of the source's frames
    this.steps = []; // when steps came
    this.unseen = 0;
  }

  // A frame of the camera or file came.
  count(seconds) {
    this.own = [...this.own.filter((each) => seconds - each < 1 && each < seconds), seconds];
  }

  show(step) {
    const now = performance.now();
    this.steps = [...this.steps.filter((each) => now - each < SECOND), now];
    this.at.state.textContent = `${STATES[step.state]}${step.faces > 1 ? `, of ${step.faces}` : ""}`;
    this.at.speed.textContent = `${this.steps.length} frames per second read, ${step.took.toFixed(0)} ms each`;
    this.at.rate.textContent = `${this.own.length} frames per second, read at ${RATE}`;
    this.drawFace(step);
    if (step.seen) this.drawMouth(step.seen);
    if (step.reading) this.showReading(step.reading);
    if (step.state === "no face") {
      this.showWord(null);
      this.at.likely.replaceChildren();
    }
    if (step.event) this.addWord(step.event);
    this.advise(step);
  }

  // The most important of what is wrong, if anything is.
  advise(step) {
    this.unseen = step.state === "no face" ? this.unseen + 1 : 0;
    const isSlowSource = step.seconds > 2 && this.own.length < MIN_RATE && this.own.length > 1;
    if (this.unseen > RATE / 2) this.warn(MESSAGES.face);
    else if (step.faces > 1) this.warn(MESSAGES.faces);
    else if (isSlowSource && !this.video.paused) this.warn(MESSAGES.rate);
    else if (!this.unseen) this.notify(["Reading", "Nothing leaves this device."]);
  }

  drawFace({ box, width, height }) {
    const { overlay } = this.at;
    [overlay.width, overlay.height] = [width, height];
    if (!box) return;
    const context = overlay.getContext("2d");
    context.strokeStyle = "#7fe0a0";
    context.lineWidth = Math.max(2, width / 240);
    context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  }

  drawMouth(seen) {
    const context = this.at.mouth.getContext("2d");
    const image = context.createImageData(this.at.mouth.width, this.at.mouth.height);
    seen.forEach((grey, n) => image.data.set([grey, grey, grey, 255], 4 * n));
    context.putImageData(image, 0, 0);
  }

  showReading({ top }) {
    const words = top.filter(({ word }) => word !== this.facts.background);
    this.at.likely.replaceChildren(...words.map(makeBar));
    const isSaid = words.length && words[0].probability >= this.facts.threshold;
    this.showWord(isSaid && top[0].word === words[0].word ? words[0] : null);
  }

  showWord(said) {
    this.at.word.textContent = said ? said.word : "nothing said";
    this.at.word.parentElement.classList.toggle("quiet", !said);
    this.at.probability.textContent = said ? formatPercent(said.probability) : "";
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

function makeBar({ word, probability }) {
  const item = makeElement("li", "");
  const bar = makeElement("progress", "");
  Object.assign(bar, { max: 1, value: probability });
  bar.setAttribute("aria-hidden", "true");
  item.append(bar, makeElement("span", word), makeElement("span", formatPercent(probability)));
  return item;
}

function formatPercent(share) {
  return `${Math.round(100 * share)} %`;
}
