// Run by Gradio when the pad is on the page; `element` and `props` are its own. The server is asked
// from here: Gradio would load the page anew, without the drawing, when a server is back.
const SIDE = 480; // pixels of a clear paper
const PEN = 22; // its width, on such a paper
const MOST_UNDONE = 100;
const PAUSE_MS = 2000; // before a server that did not answer is asked again
const LATE_MS = 5000; // after which it is told that there is no answer
const PATIENCE_MS = 60000; // after which it is given up
const AWAY = "No answer yet: the server is busy or away.";
const OLD = " What stands below is its answer to an earlier drawing.";
const CLEAR = { ground: null, ink: "black", strokes: [] };
const find = (selector) => element.querySelector(selector);
const columns = find("#columns");
const canvas = find("canvas");
const problem = find(".problem");
const chooser = find("[type=file]");
const notice = find(".away");
const texts = find(".texts");
const cards = find(".cards");
const note = find("#note");
const beside = find("#beside select");
const context = canvas.getContext("2d", { willReadFrequently: true });
const invitation = { texts: texts.innerHTML, cards: "" };

// The image that was opened, if any, what shows on it, and strokes: lists of [x, y] on the canvas.
let paper = CLEAR;
const past = []; // papers that Undo brings back
const future = []; // and Redo
let pointer = null; // the finger or mouse that draws; others are ignored
let stroke = null; // what it draws
let changes = 0; // of what is to be read
let answered = 0; // the change that the answer belongs to
let asking = false;
let away = false; // the server did not answer, or not for long
let filing = false;
let opening = Promise.resolve(); // the files that were opened, one after the other
let opened = 0; // how many of them are not there yet

const isClear = () => !paper.ground && !paper.strokes.length;

const paint = () => {
  const { ground, strokes } = paper;
  const [width, height] = ground ? [ground.naturalWidth, ground.naturalHeight] : [SIDE, SIDE];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  if (ground) context.drawImage(ground, 0, 0);
  context.strokeStyle = context.fillStyle = paper.ink;
  context.lineWidth = (PEN * Math.max(width, height)) / SIDE;
  context.lineCap = context.lineJoin = "round";
  strokes.forEach(draw);
  if (stroke) draw(stroke);
};

// Draws a stroke smoothly: through the middles between its points. A click is a dot.
const draw = (points) => {
  context.beginPath();
  context.arc(...points[0], context.lineWidth / 2, 0, 2 * Math.PI);
  context.fill();
  context.beginPath();
  context.moveTo(...points[0]);
  for (let i = 1; i < points.length; i++) {
    const [x, y] = points[i - 1];
    context.quadraticCurveTo(x, y, (x + points[i][0]) / 2, (y + points[i][1]) / 2);
  }
  context.lineTo(...points[points.length - 1]);
  context.stroke();
};

const complain = (message) => {
  problem.textContent = message;
  problem.hidden = !message;
};

// Shows whether another answer is to come, and whether what stands there is one to this drawing.
const mark = () => {
  const old = answered < changes;
  const waits = old || opened > 0;
  columns.classList.toggle("waits", waits);
  notice.hidden = !(waits && away);
  notice.textContent = AWAY + (old && cards.innerHTML ? OLD : "");
};

// Shows an answer; one to an older drawing than the last is late.
const tell = (change, answer) => {
  if (change < answered) return;
  answered = change;
  texts.innerHTML = answer.texts ?? "";
  cards.innerHTML = answer.cards ?? "";
  if (answer.by) document.querySelector("#heading p").innerHTML = answer.by;
  if (answer.problem) complain(answer.problem);
  mark();
};

// Returns the server's answer to a question; null where it gives none.
const attempt = async (name, ...data) => {
  let answer = null;
  const late = setTimeout(() => {
    away = true;
    mark();
  }, LATE_MS);
  try {
    const reply = await fetch(`gradio_api/run/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ data }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (reply.ok) answer = (await reply.json()).data[0];
    else if (reply.status <= 500) answer = { problem: `The server failed (${reply.status}).` };
  } catch {} // it is away, or something else answers in its place
  clearTimeout(late);
  away = !answer;
  mark();
  return answer;
};

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
const drawing = () => (isClear() ? "" : canvas.toDataURL("image/png"));

const ask = async () => {
  if (asking) return;
  asking = true;
  while (answered < changes) {
    const change = changes;
    const answer = await attempt("read", drawing(), beside.value);
    if (answer) tell(change, answer);
    else await pause();
  }
  asking = false;
};

// Puts another paper in place; `answer` is what is read on it, where that is known already.
const show = (next, answer = null) => {
  paper = next;
  paint();
  complain("");
  note.textContent = "";
  changes++;
  mark();
  if (isClear()) answer = invitation;
  if (answer) tell(changes, answer);
  else ask();
};

const change = (next, answer) => {
  past.push(paper);
  if (past.length > MOST_UNDONE) past.shift();
  future.length = 0;
  show(next, answer);
};

const step = (from, to) => {
  if (pointer !== null || !from.length) return;
  to.push(paper);
  show(from.pop());
};

// Where on the canvas, which stands in the middle of its box, as large as it can be.
const place = (event) => {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const scale = Math.min(width / canvas.width, height / canvas.height);
  return [
    (event.clientX - left - width / 2) / scale + canvas.width / 2,
    (event.clientY - top - height / 2) / scale + canvas.height / 2,
  ];
};

canvas.addEventListener("pointerdown", (event) => {
  if (pointer !== null || event.button !== 0) return;
  pointer = event.pointerId;
  canvas.setPointerCapture(pointer);
  stroke = [place(event)];
  paint();
  event.preventDefault();
});
canvas.addEventListener("pointermove", (event) => {
  if (event.pointerId !== pointer) return;
  const passed = event.getCoalescedEvents?.() ?? [];
  stroke.push(...(passed.length ? passed : [event]).map(place));
  paint();
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    if (event.pointerId !== pointer) return;
    const strokes = [...paper.strokes, stroke];
    pointer = stroke = null;
    change({ ...paper, strokes });
  });
}

const contentOf = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1] ?? "");
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });

// The server decodes a file, so that it is read as `mnist-exp predict` reads it, and sends back
// what is to be shown here. What is drawn meanwhile is drawn on it.
const read = async (file, before) => {
  if (file.size > props.most_bytes) {
    const [most, size] = [props.most_bytes, file.size].map((bytes) => Math.ceil(bytes / 2 ** 20));
    complain(
      `${file.name}: Expected at most ${most} MiB. Received: ${size} MiB. ` +
        "Make the picture smaller, or cut out the digits."
    );
    return;
  }
  const name = encodeURIComponent(file.name);
  const value = `data:application/octet-stream;name=${name};base64,${await contentOf(file)}`;
  let answer, run;
  while (!answer) {
    run = beside.value;
    answer = await attempt("read", value, run);
    if (!answer) await pause();
  }
  if (!answer.image) {
    complain(answer.problem);
    return;
  }
  const ground = new Image();
  ground.src = answer.image;
  await ground.decode();
  const fitted = fitting(ground);
  const strokes = paper.strokes.filter((one) => !before.includes(one)).map(fitted);
  stroke = stroke && fitted(stroke);
  const ink = isDark(ground) ? "white" : "black";
  forget();
  change({ ground, ink, strokes }, strokes.length || run !== beside.value ? null : answer);
};

// Tells whether most of an image is dark.
const isDark = (image) => {
  const small = new OffscreenCanvas(32, 32).getContext("2d");
  small.drawImage(image, 0, 0, 32, 32);
  const { data } = small.getImageData(0, 0, 32, 32);
  let dark = 0;
  for (let i = 0; i < data.length; i += 4) dark += data[i] + data[i + 1] + data[i + 2] < 3 * 128;
  return dark > (32 * 32) / 2;
};

// Returns what moves a stroke from the paper to an image that takes its place: all of the paper
// lies within the image.
const fitting = ({ naturalWidth, naturalHeight }) => {
  const scale = Math.min(naturalWidth / canvas.width, naturalHeight / canvas.height);
  const left = (naturalWidth - scale * canvas.width) / 2;
  const top = (naturalHeight - scale * canvas.height) / 2;
  return (points) => points.map(([x, y]) => [left + scale * x, top + scale * y]);
};

const open = (file) => {
  if (!file) return;
  const before = paper.strokes;
  complain("");
  opened++;
  mark();
  opening = opening
    .then(() => read(file, before))
    .catch(() =>
      complain(
        `${file.name}: Expected a file that can be read. Received: a folder, or a file that is ` +
          "locked or gone. Open an image file."
      )
    )
    .then(() => {
      opened--;
      mark();
    });
};

// The next drawing is not to be filed as this one was going to be.
const forget = () => {
  const digit = find("#digit :checked");
  if (digit) digit.checked = false;
};

const tools = {
  clear: () => {
    pointer = stroke = null; // what is being drawn is gone too
    forget();
    if (isClear()) show(CLEAR);
    else change(CLEAR);
  },
  undo: () => step(past, future),
  redo: () => step(future, past),
  open: () => chooser.click(),
};
for (const button of element.querySelectorAll("[data-tool]")) {
  button.addEventListener("click", () => tools[button.dataset.tool]());
}
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  const key = event.key.toLowerCase() + (event.shiftKey ? "+shift" : "");
  const tool = { z: "undo", y: "redo", "z+shift": "redo" }[key];
  if (!tool) return;
  event.preventDefault();
  tools[tool]();
});
chooser.addEventListener("change", () => {
  open(chooser.files[0]);
  chooser.value = ""; // the same file may be opened again
});
// A file that is dropped beside the pad would take the place of the page.
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  open(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => open(event.clipboardData.files[0]));

find("#file").addEventListener("click", async () => {
  if (filing) return;
  const digit = find("#digit :checked");
  const change = changes;
  filing = true;
  note.textContent = "Filing …";
  const filed = await attempt("file", drawing(), digit?.value ?? "");
  filing = false;
  const said = filed?.said ?? filed?.problem ?? "Not filed: the server does not answer.";
  const late = change < changes;
  note.textContent = late ? `An earlier drawing: ${said}` : said;
  if (filed?.done && !late) digit.checked = false;
});
beside.addEventListener("change", () => show(paper));

beside.append(...props.runs.map((name) => new Option(name, name, false, name === props.beside)));
find("#beside").hidden = props.runs.length < 2;
find("#filing").hidden = !props.files;
paint();
