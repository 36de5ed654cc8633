// Recorder: the camera, and one take of it at a time.

const CAMERA = {
  audio: false,
  video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" },
};
const KINDS = ["video/webm;codecs=vp8", "video/webm", "video/mp4"];
const BITS_PER_SECOND = 4e6;
// Milliseconds. The word is spoken half a second after it appears, and then is in the middle.
const COUNT = 600;
const LEAD = 900;
const TAKE = 3000;

export class Recorder {
  constructor(video) {
    this.video = video;
    this.stream = null;
    this.cancel = null;
  }

  get isOpen() {
    return Boolean(this.stream);
  }

  // `onLost` is called if the camera is unplugged.
  async open(onLost) {
    this.stream = await navigator.mediaDevices.getUserMedia(CAMERA);
    this.stream.getVideoTracks()[0].onended = () => {
      this.close();
      onLost();
    };
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  close() {
    this.stop();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
  }

  // End the take that is being recorded; nothing of it is kept.
  stop() {
    this.cancel?.();
  }

  // A take as a Blob, null if it was stopped; `cue` is called with what to show.
  async take(word, cue) {
    let isStopped = false;
    const stopped = new Promise((resolve) => {
      this.cancel = () => {
        isStopped = true;
        resolve();
      };
    });
    const wait = (time) => Promise.race([new Promise((resolve) => setTimeout(resolve, time)), stopped]);
    let recording = null;
    try {
      for (const count of ["3", "2"]) {
        cue(`${count} … ${word}`, false);
        await wait(COUNT);
        if (isStopped) return null;
      }
      recording = record(this.stream);
      cue("1 …", true);
      await wait(LEAD);
      if (!isStopped) cue(word, true);
      await wait(isStopped ? 0 : TAKE - LEAD);
      const blob = await recording.end();
      return isStopped ? null : blob;
    } finally {
      this.cancel = null;
      recording?.end();
      cue("", false);
    }
  }
}

function record(stream) {
  const kind = KINDS.find((each) => MediaRecorder.isTypeSupported(each));
  const recorder = new MediaRecorder(stream, { mimeType: kind, videoBitsPerSecond: BITS_PER_SECOND });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const ended = new Promise((resolve) => {
    recorder.onstop = () => resolve(new Blob(parts));
  });
  recorder.start();
  return {
    end: () => {
      if (recorder.state !== "inactive") recorder.stop();
      return ended;
    },
  };
}
