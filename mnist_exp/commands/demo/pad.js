// Run by Gradio when the pad is on the page; `element`, `props`, `trigger` and `watch` are its own.
const SIDE = 480; // pixels of a clear paper
const PEN = 22; // its width, on such a paper
const canvas = element.querySelector("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const problem = element.querySelector(".problem");
const chooser = element.querySelector("input[type=file]");
let ground = null; // the image that was opened, if any
let strokes = []; // each a list of [x, y] on the canvas
let pointer = null; // the finger or mouse that draws; others are ignored

const reset = (image) => {
  ground = image;
  strokes = [];
  pointer = null; // a stroke that was being drawn is gone too
  canvas.width = image ? image.naturalWidth : SIDE;
  canvas.height = image ? image.naturalHeight : SIDE;
  paint();
};

const paint = () => {
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (ground) context.drawImage(ground, 0, 0);
  strokes.forEach(draw);
};

// Draws a stroke smoothly: through the middles between its points.
const draw = (points) => {
  context.strokeStyle = context.fillStyle = "black";
  context.lineWidth = (PEN * Math.max(canvas.width, canvas.height)) / SIDE;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...points[0]);
  for (let i = 1; i < points.length; i++) {
    const [x, y] = points[i - 1];
    context.quadraticCurveTo(x, y, (x + points[i][0]) / 2, (y + points[i][1]) / 2);
  }
  context.lineTo(...points[points.length - 1]);
  context.stroke();
};

const send = (value) => {
  problem.hidden = true;
  props.value = value;
  trigger("input");
};

const sendDrawing = () =>
  send(ground || strokes.length ? canvas.toDataURL("image/png") : "");

const place = (event) => {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * canvas.width) / box.width,
    ((event.clientY - box.top) * canvas.height) / box.height,
  ];
};

canvas.addEventListener("pointerdown", (event) => {
  if (pointer !== null || event.button !== 0) return;
  pointer = event.pointerId;
  canvas.setPointerCapture(pointer);
  strokes.push([place(event)]);
  paint();
  event.preventDefault();
});
canvas.addEventListener("pointermove", (event) => {
  if (event.pointerId !== pointer) return;
  const passed = event.getCoalescedEvents?.() ?? [];
  strokes.at(-1).push(...(passed.length ? passed : [event]).map(place));
  paint();
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    sendDrawing();
  });
}

// The server decodes the file, so that it is read as `mnist-exp predict` reads it, and sends back
// what is to be shown here.
const open = (file) => {
  if (!file) return;
  if (file.size > props.most_bytes) {
    const most = Math.round(props.most_bytes / 2 ** 20);
    problem.textContent = `${file.name}: Expected at most ${most} MiB. Received: ${Math.round(file.size / 2 ** 20)} MiB.`;
    problem.hidden = false;
    return;
  }
  const reader = new FileReader();
  reader.onload = () => {
    const content = reader.result.slice(reader.result.indexOf(",") + 1);
    const name = encodeURIComponent(file.name);
    send(`data:application/octet-stream;name=${name};base64,${content}`);
  };
  reader.readAsDataURL(file);
};

const tools = {
  clear: () => {
    reset(null);
    send("");
  },
  undo: () => {
    if (pointer === null && strokes.pop()) {
      paint();
      sendDrawing();
    }
  },
  open: () => chooser.click(),
};
for (const button of element.querySelectorAll("[data-tool]")) {
  button.addEventListener("click", tools[button.dataset.tool]);
}
chooser.addEventListener("change", () => {
  open(chooser.files[0]);
  chooser.value = ""; // the same file may be opened again
});
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", (event) => {
  event.preventDefault();
  open(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  const file = event.clipboardData.files[0];
  if (file) open(file);
});

watch("value", () => {
  if (!props.value) {
    reset(null);
    return;
  }
  const image = new Image();
  image.onload = () => reset(image);
  image.src = props.value;
});
reset(null);
