// A picture on the page: drop or choose a file, look at it, click a spot of it.
// `element`, `props`, `trigger`, `upload` and `watch` come from gr.HTML. The template never changes,
// so that Gradio leaves alone what this script draws into it.
const part = (name) => element.querySelector("." + name);
const [stage, frame, picture, veil, marks, pointer, thumbs, prompt, note] = [
  "stage", "frame", "picture", "veil", "marks", "pointer", "thumbs", "prompt", "note",
].map(part);
const inputs = [...element.querySelectorAll("input")];
const STEP = 0.02; // of a side: one press of an arrow key; five times as far with Shift
let place = { x: 0.5, y: 0.5 };

const at = (node, x, y) => {
  node.style.left = `${100 * x}%`;
  node.style.top = `${100 * y}%`;
  return node;
};

function mark(kind, x, y, text) {
  const node = document.createElement("span");
  node.className = kind;
  node.textContent = text;
  marks.append(at(node, x / props.value.width, y / props.value.height));
}

function thumb({ picture, name, share }, index) {
  const chosen = index === props.value.chosen;
  const item = document.createElement("span");
  item.className = chosen ? "thumb chosen" : "thumb";
  const look = document.createElement("button");
  look.type = "button";
  look.ariaPressed = chosen;
  look.ariaLabel = `Picture ${index + 1}${share && `, gave ${share} of this spot`}`;
  look.title = name;
  const small = document.createElement("img");
  small.src = picture;
  small.alt = "";
  look.append(small);
  if (share) look.append(Object.assign(document.createElement("span"), { textContent: share }));
  look.onclick = () => trigger("choose", { index });
  const away = document.createElement("button");
  away.type = "button";
  away.className = "away";
  away.textContent = "×";
  away.ariaLabel = `Take picture ${index + 1} away`;
  away.onclick = () => trigger("discard", { index });
  item.append(look, away);
  return item;
}

function draw() {
  const { value, clickable } = props;
  const full = Boolean(value.picture);
  element.querySelector(".well").classList.toggle("full", full);
  stage.ariaBusy = value.busy;
  frame.hidden = !full;
  if (prompt) prompt.hidden = full;
  note.hidden = full || value.busy;
  if (picture.src !== value.picture) picture.src = value.picture || "";
  picture.alt = value.name;
  veil.hidden = !value.veil;
  if (value.veil) veil.src = value.veil;
  const ratio = value.width / value.height;
  frame.style.aspectRatio = `${value.width} / ${value.height}`;
  frame.style.width = `${100 * Math.min(1, ratio)}%`;
  frame.tabIndex = full && clickable ? 0 : -1;
  marks.replaceChildren();
  for (const pin of value.pins) mark("pin", pin.x, pin.y, pin.number);
  if (value.spot) mark("spot", ...value.spot, "");
  thumbs.hidden = value.thumbs.length < 2;
  thumbs.replaceChildren(...value.thumbs.map(thumb));
}

async function send(files, add) {
  const chosen = [...files].slice(0, props.files);
  if (!chosen.length) return;
  const large = chosen.find((file) => file.size > props.bytes);
  if (large) return trigger("refuse", { name: large.name });
  stage.ariaBusy = true;
  try {
    const sent = await Promise.all(chosen.map((file) => upload(file)));
    trigger("files", { paths: sent.map(({ path }) => path), add });
  } catch {
    trigger("refuse", { name: chosen[0].name });
  }
  stage.ariaBusy = false;
}

const click = (x, y) => trigger("spot", { x: x * props.value.width, y: y * props.value.height });

frame.onclick = (event) => {
  if (!props.clickable) return;
  const box = frame.getBoundingClientRect();
  click((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
};

frame.onkeydown = (event) => {
  const [dx, dy] = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  }[event.key] ?? [0, 0];
  if (!props.clickable) return;
  if (dx || dy) {
    const far = STEP * (event.shiftKey ? 5 : 1);
    const within = (value) => Math.min(0.999, Math.max(0, value));
    place = { x: within(place.x + far * dx), y: within(place.y + far * dy) };
    at(pointer, place.x, place.y);
  } else if (event.key === "Enter" || event.key === " ") {
    click(place.x, place.y);
  } else if (event.key === "Escape") {
    trigger("leave");
  } else return;
  event.preventDefault();
};

for (const input of inputs) {
  input.onchange = () => {
    send(input.files, input.dataset.add === "yes");
    input.value = ""; // the same file may be chosen again
  };
}

if (inputs.length) {
  stage.ondragover = (event) => {
    event.preventDefault();
    stage.classList.add("over");
  };
  stage.ondragleave = () => stage.classList.remove("over");
  stage.ondrop = (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    send(event.dataTransfer.files, false);
  };
  element.onpaste = (event) => send(event.clipboardData.files, false);
}

at(pointer, place.x, place.y);
watch("value", draw);
draw();
