// A picture on the page: drop or choose a file, look at it, click a spot of it.
// `element`, `props`, `trigger`, `upload` and `watch` come from gr.HTML. The template never changes,
// so that Gradio leaves alone what this script draws into it.
const part = (name) => element.querySelector("." + name);
const [stage, frame, picture, overlay, marks, pointer, thumbs, prompt, note] = [
  "stage", "frame", "picture", "overlay", "marks", "pointer", "thumbs", "prompt", "note",
].map(part);
const inputs = [...element.querySelectorAll("input")];
const STEP = 0.02; // of a side: one press of an arrow key; five times as far with Shift
let place = { x: 0.5, y: 0.5 };

const at = (x, y) => `left: ${100 * x}%; top: ${100 * y}%`;

function mark(className, x, y, textContent) {
  const style = at(x / props.value.width, y / props.value.height);
  marks.append(make("span", { className, textContent, style }));
}

function thumb({ picture, name, share }, index) {
  const chosen = index === props.value.chosen;
  const number = index + 1;
  const look = button(
    {
      title: name,
      ariaLabel: share ? `Picture ${number}, gave ${share} of this spot` : `Picture ${number}`,
      ariaPressed: chosen,
      onclick: () => trigger("choose", { index }),
    },
    make("img", { src: picture, alt: "" }),
  );
  if (share) look.append(make("span", { textContent: share }));
  const away = button({
    className: "away",
    textContent: "×",
    ariaLabel: `Take picture ${number} away`,
    onclick: () => trigger("discard", { index }),
  });
  return make("span", { className: chosen ? "thumb chosen" : "thumb" }, look, away);
}

function draw() {
  const { value } = props;
  const full = Boolean(value.picture);
  element.querySelector(".picture-panel").classList.toggle("full", full);
  stage.ariaBusy = value.busy;
  frame.hidden = !full;
  if (prompt) prompt.hidden = full;
  note.hidden = full || value.busy;
  if (picture.src !== value.picture) picture.src = value.picture || "";
  picture.alt = value.name;
  overlay.hidden = !value.overlay;
  if (value.overlay) overlay.src = value.overlay;
  const ratio = value.width / value.height;
  frame.style.aspectRatio = `${value.width} / ${value.height}`;
  frame.style.width = `${100 * Math.min(1, ratio)}%`;
  marks.replaceChildren();
  for (const marker of value.markers) mark("marker", marker.x, marker.y, marker.number);
  if (value.spot) mark("spot", ...value.spot, "");
  thumbs.hidden = value.thumbs.length < 2;
  refill(thumbs, value.thumbs.map(thumb));
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

frame.onclick = ({ clientX, clientY }) => {
  const box = frame.getBoundingClientRect();
  click((clientX - box.left) / box.width, (clientY - box.top) / box.height);
};

frame.onkeydown = (event) => {
  const [dx, dy] = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  }[event.key] ?? [0, 0];
  if (dx || dy) {
    const far = STEP * (event.shiftKey ? 5 : 1);
    const within = (value) => Math.min(0.999, Math.max(0, value));
    place = { x: within(place.x + far * dx), y: within(place.y + far * dy) };
    pointer.style = at(place.x, place.y);
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

pointer.style = at(place.x, place.y);
watch("value", draw);
draw();
