// The page of `lipnet teach`: words, takes, training, and what comes of it.

import { MESSAGES, describeCamera } from "./messages.js";
import { Recorder } from "./recorder.js";

const POLL = 500; // milliseconds
const FRAME = 40; // milliseconds of a frame in the last take's picture
const MAX_REFUSED = 3; // takes in a row, after which recording stops
const BACKGROUND = "<background>"; // the label of pauses
const STAGES = { cropping: "Looking at the takes", training: "Training" };
const NAMES = [
  ...["screen", "video", "cue", "camera", "record", "stop", "train", "notice", "notice-title"],
  ...["notice-text", "progress", "folder", "form", "words", "save", "takes", "mouth", "last"],
  ...["discard", "learned", "results", "reader", "open"],
];
const at = Object.fromEntries(NAMES.map((name) => [name, document.getElementById(name)]));
const recorder = new Recorder(at.video);
let state = null;
let isRecording = false;
let isOpening = false; // the camera
let isTyped = false; // words that are not saved
let last = null; // { word, name, frames, size, pixels } of the last take
let playing = 0;

async function ask(path, body, kind = "application/json") {
  const request = body === undefined ? {} : { method: "POST", headers: { "Content-Type": kind }, body };
  const response = await fetch(path, request);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function notify(title, text, isWarning = false) {
  at.notice.classList.toggle("warning", isWarning);
  at["notice-title"].textContent = title;
  at["notice-text"].textContent = text;
}

function makeElement(name, ...children) {
  const element = document.createElement(name);
  element.append(...children);
  return element;
}

// The word with the fewest takes, in the order of the words; none if all have as many as wanted.
function findNext() {
  const least = Math.min(...state.words.map(({ takes }) => takes.length));
  return least >= state.wanted ? null : state.words.find(({ takes }) => takes.length === least).word;
}

function show() {
  const isBusy = Boolean(state.job);
  const next = state.words.length > 1 ? findNext() : null;
  at.folder.textContent = state.folder;
  if (!isTyped) at.words.value = state.words.map(({ word }) => word).join(", ");
  at.takes.replaceChildren(
    ...state.words.map(({ word, takes }) => {
      const bar = document.createElement("progress");
      [bar.max, bar.value] = [state.wanted, takes.length];
      const row = makeElement("li", makeElement("span", word), bar, `${takes.length} of ${state.wanted}`);
      row.classList.toggle("next", word === next);
      return row;
    }),
  );
  const isReady = state.words.length > 1 && state.words.every(({ takes }) => takes.length >= state.minimum);
  at.camera.disabled = isBusy || isOpening || recorder.isOpen;
  at.record.disabled = isBusy || isRecording || !recorder.isOpen || !next;
  at.stop.disabled = !isRecording;
  at.train.disabled = isBusy || isRecording || !isReady;
  at.save.disabled = isBusy || isRecording;
  at.discard.disabled = isBusy || isRecording || !last;
  at.last.textContent = last ? `${last.word}, ${last.name}` : "none yet";
  document.body.classList.toggle("playing", recorder.isOpen);
  showJob();
  showLearned();
}

function showJob() {
  const { job } = state;
  at.progress.hidden = !job;
  if (!job) return;
  if (job.total) at.progress.value = job.done / job.total;
  else at.progress.removeAttribute("value");
  const count = job.total ? `${job.done} of ${job.total}. ` : "";
  notify(STAGES[job.stage] || "Working", `${count}This takes some minutes; the page may stay open.`);
}

const percent = (share) => `${Math.round(100 * share)} %`;
const describe = ({ top1, low, high, clips }) =>
  `${percent(top1)} (95 %: ${percent(low)} to ${percent(high)}, ${clips} clips)`;

const nameLabel = (label) => (label === BACKGROUND ? "pauses" : label);

function describePauses({ pauses, labels }) {
  if (pauses) return `Pauses read as such: ${describe(pauses)}`;
  if (labels.includes(BACKGROUND)) return "No take that was held back has pauses.";
  return "No take that was trained on has pauses: the model reads a word at every moment.";
}

function showLearned() {
  const { taught } = state;
  at.learned.hidden = !taught;
  if (!taught) return;
  const missed = Object.entries(taught.per_word).filter(([, [right, all]]) => right < all);
  const lines = [
    `Words read right: ${describe(taught.words)}`,
    describePauses(taught),
    ...missed.map(([word, [right, all]]) => `${word}: ${right} of ${all} read right`),
    ...taught.confused.map(
      ([one, other, mistaken, clips]) => `${nameLabel(one)} and ${nameLabel(other)} confused: ${mistaken} of ${clips}`,
    ),
    "These takes are of the same sitting as the others: expect less in other light or on another day.",
    `The model is ${taught.path}. Read the camera with: lipnet live --weights ${taught.path} --camera 0`,
  ];
  at.results.replaceChildren(...lines.map((text) => makeElement("li", text)));
  at.reader.disabled = Boolean(state.job);
  at.open.hidden = !state.hasReader;
}

// Play the last take's mouth, again and again.
function play() {
  clearInterval(playing);
  const bytes = Uint8Array.from(atob(last.pixels), (letter) => letter.charCodeAt(0));
  const { size, frames } = last;
  [at.mouth.width, at.mouth.height] = [size, size];
  const context = at.mouth.getContext("2d");
  const image = context.createImageData(size, size);
  let frame = 0;
  playing = setInterval(() => {
    for (let n = 0; n < size * size; n += 1) image.data.fill(bytes[frame * size * size + n], 4 * n, 4 * n + 3);
    for (let n = 3; n < image.data.length; n += 4) image.data[n] = 255;
    context.putImageData(image, 0, 0);
    frame = (frame + 1) % frames;
  }, FRAME);
}

async function useCamera() {
  if (isOpening) return; // clicked twice: each would open a stream
  isOpening = true;
  try {
    await recorder.open(() => {
      isRecording = false;
      notify(...MESSAGES.unplugged, true);
      show();
    });
    notify("The camera is on", "Look at it in good light, the face at least a fifth of the picture.");
  } catch (error) {
    recorder.close();
    notify(...describeCamera(error), true);
  }
  isOpening = false;
  show();
}

function cue(text, isOn) {
  at.cue.textContent = text;
  document.body.classList.toggle("recording", isOn);
}

async function record() {
  isRecording = true;
  show();
  let refused = 0;
  while (isRecording && findNext() && refused < MAX_REFUSED) {
    const word = findNext();
    try {
      const take = await recorder.take(word, cue);
      if (!take) break;
      const answer = await ask(`take?word=${encodeURIComponent(word)}`, take, "application/octet-stream");
      last = { word, ...answer };
      refused = 0;
      notify(`${word}: kept`, `as ${answer.name}`);
      play();
    } catch (error) {
      refused += 1;
      notify(`${word}: not used`, error.message, true);
    }
    await refresh();
  }
  isRecording = false;
  if (!findNext()) notify("All takes are there", "Train, or discard the last one and record it again.");
  show();
}

// Send a change and show what is then; a refusal is a notice.
async function change(path, value) {
  try {
    state = await ask(path, JSON.stringify(value));
    if (path === "words") isTyped = false;
  } catch (error) {
    notify("Not possible", error.message, true);
  }
  show();
  if (state.job) watch();
}

// Show what is now. A request that fails, as after a pause of the computer, is made again later.
async function refresh() {
  try {
    state = await ask("state");
  } catch {
    notify("No answer", "The program that opened this page does not answer: is it still running?", true);
  }
  show();
}

async function watch() {
  while (state.job) {
    await new Promise((resolve) => setTimeout(resolve, POLL));
    await refresh();
  }
  if (state.fault) notify("It failed", state.fault, true);
  else if (state.hasReader) notify("The page is written", "Open it, or copy its folder to a server.");
  else notify("Trained", `The model is ${state.taught.path}.`);
}

at.words.addEventListener("input", () => {
  isTyped = true;
});
at.form.addEventListener("submit", (event) => {
  event.preventDefault();
  at.words.blur();
  change("words", { words: at.words.value.split(",").filter((word) => word.trim()) });
});
at.camera.addEventListener("click", useCamera);
at.record.addEventListener("click", record);
at.stop.addEventListener("click", () => {
  isRecording = false;
  recorder.stop();
});
at.train.addEventListener("click", () => change("train", {}));
at.reader.addEventListener("click", () => change("reader", {}));
at.discard.addEventListener("click", () => {
  const { word, name } = last;
  last = null;
  clearInterval(playing);
  change("discard", { word, name });
});

ask("state").then((found) => {
  state = found;
  show();
  if (state.job) watch();
});
