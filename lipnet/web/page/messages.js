// What the page reports, and what a person can do about it.

const FILE_HINT = "Choose a video file instead, or try again.";

// By the name of the error that the browser gives for the camera.
const CAMERA = {
  NotAllowedError: [
    "The camera is not allowed",
    `Allow it for this page in the browser's address bar, then press "Use the camera" again; or ` +
      "choose a video file.",
  ],
  NotFoundError: ["There is no camera", "Connect one, or choose a video file."],
  NotReadableError: [
    "The camera is busy",
    "Another program or page uses it: close that, then try again; or choose a video file.",
  ],
  OverconstrainedError: ["The camera does not fit", FILE_HINT],
};

export const MESSAGES = {
  ready: ["Ready", "Look at the camera in good light, the face at least a fifth of the picture."],
  simd: [
    "This browser cannot run the networks",
    "It has no SIMD in WebAssembly. Use Chrome or Edge 91, Firefox 89, Safari 16.4, or newer.",
  ],
  old: [
    "This browser is too old",
    "It lacks workers with modules or OffscreenCanvas. Use Chrome or Edge 91, Firefox 114, " +
      "Safari 16.4, or newer.",
  ],
  insecure: [
    "The camera needs a secure address",
    "Browsers give it only to https:// and to localhost: serve this folder by https, open it on " +
      "this machine, or choose a video file.",
  ],
  unreadable: ["The video cannot be played", "This browser does not know its format: try MP4 (H.264)."],
  slow: [
    "This device is too slow for the camera",
    "Frames were dropped, and reading started again: close other programs.",
  ],
  face: [
    "No face is seen",
    "Look at the camera, with light from the front and the face at least a fifth of the picture.",
  ],
  faces: ["Several faces are seen", "One of them is read, at first the largest: only one should be in view."],
  rate: [
    "Too few frames per second",
    "The model was trained on 25: lips move between frames unseen, so expect wrong words. More " +
      "light lets a camera take more frames.",
  ],
  unplugged: ["The camera stopped", 'Connect it again, then press "Use the camera".'],
  ended: ["The video is over", "Its words are listed. Choose another, or the camera."],
};

export function describeCamera(error) {
  return CAMERA[error.name] || ["The camera cannot be used", `${error.message || error}. ${FILE_HINT}`];
}

export function describeFailure(reason) {
  return ["Reading failed", `${reason}. Load the page again; if this repeats, export it again.`];
}

// What the model can and cannot do, from its facts.
export function describeLimits({ labels, source, landmarks, frames, isChosen, background, threshold }) {
  const words = labels.filter((label) => label !== background).length;
  const percent = Math.round(100 * threshold);
  return [
    `It knows ${words} words${source ? ` (of the corpus ${source})` : ""} and no others: any other ` +
      "word is read as one of them, or as nothing.",
    `It reads single words within ${(frames / 25).toFixed(1)} seconds, from the front, of one person.`,
    "It reads the people best that it was trained on: if they were few, it is often wrong for others. " +
      "Look-alike words (pat, bat, mat) cannot be told apart by lips alone.",
    background
      ? "It was trained on pauses as well, so that it can report that nothing is said."
      : "It was not trained on pauses: some word is likely at most moments, so words are also " +
        "reported when nothing is said.",
    `A word counts from a probability of ${percent}\u00a0% on, ` +
      (isChosen ? "chosen on validation sentences." : "a usual value that was not chosen for this model."),
    landmarks.trained === landmarks.used
      ? `Mouths are found by the landmark model ${landmarks.used}, as in training.`
      : `It was trained on mouths found by ${landmarks.trained}; this page finds them by ` +
        `${landmarks.used}, which crops a little differently.`,
    "Do not use it to follow what people say without their consent.",
  ];
}
