// A picture on the page: drop or choose a file, look at it, click a spot of it.
// `element`, `props`, `trigger`, `upload` and `watch` come from gr.HTML. The template never changes,
// so that Gradio leaves alone what this script draws into it.
const part = (name) => element.querySelector("." + name);
const [stage, view, frame, picture, before, overlay, marks, pointer] = [
  "stage", "view", "frame", "picture", "before", "overlay", "marks", "pointer",
].map(part);
const [thumbs, prompt, note, sending] = ["thumbs", "prompt", "note", "sending"].map(part);
const inputs = [...element.querySelectorAll("input[type=file]")];
const slider = element.querySelector("input[type=range]");
const STEP = 0.02; // of a side: one press of an arrow key; five times as far with Shift
const ZOOMS = [1, 1.5, 2, 3, 4];
const PICTURE = /^image\/|\.(psd|ora|tiff?)$/i;
let place = { x: 0.5, y: 0.5 };
let zoom = 1;
let shown = "";

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
  frame.style.aspectRatio = `${value.width} / ${value.height}`;
  const size = `${value.name} ${value.width} ${value.height}`;
  if (size !== shown) zoom = 1;
  shown = size;
  enlarge(zoom);
  before.hidden = !value.before;
  if (value.before && before.src !== value.before) before.src = value.before;
  marks.replaceChildren();
  for (const marker of value.markers) mark("marker", marker.x, marker.y, marker.number);
  if (value.spot) mark("spot", ...value.spot, "");
  thumbs.hidden = value.thumbs.length < 2;
  refill(thumbs, value.thumbs.map(thumb));
}

// Show the picture at a multiple of the panel's size; the point (x, y) of it stays in the middle.
function enlarge(factor, { x, y } = middle()) {
  zoom = factor;
  frame.style.width = `${100 * zoom * Math.min(1, props.value.width / props.value.height)}%`;
  view.scrollLeft = x * frame.offsetWidth - view.clientWidth / 2;
  view.scrollTop = y * frame.offsetHeight - view.clientHeight / 2;
  part("zoom").hidden = frame.hidden;
}

const middle = () => ({
  x: (view.scrollLeft + view.clientWidth / 2) / frame.offsetWidth || 0.5,
  y: (view.scrollTop + view.clientHeight / 2) / frame.offsetHeight || 0.5,
});

function enlargeBy(steps, about) {
  const index = Math.min(ZOOMS.length - 1, Math.max(0, ZOOMS.indexOf(zoom) + steps));
  enlarge(ZOOMS[index], about);
}

const title = element.querySelector("h2").textContent;
part("zoom").append(
  button({ textContent: "−", ariaLabel: `Smaller: ${title}`, onclick: () => enlargeBy(-1) }),
  button({ textContent: "+", ariaLabel: `Larger: ${title}`, onclick: () => enlargeBy(1) }),
);

// Send files one after another, so that 300 of them neither fill the memory nor fail together.
async function send(files, add) {
  const chosen = [...files].slice(0, props.files);
  if (!chosen.length) return;
  const sent = { paths: [], names: [], failed: [], add, more: files.length - chosen.length };
  stage.ariaBusy = true;
  for (const [index, file] of chosen.entries()) {
    sending.hidden = chosen.length < 2;
    sending.textContent = `Sending ${index + 1} of ${chosen.length} …`;
    try {
      if (file.size > props.bytes) throw new Error("too large");
      sent.paths.push((await upload(file)).path);
      sent.names.push(file.place || file.webkitRelativePath || file.name);
    } catch {
      sent.failed.push(file.name);
    }
  }
  sending.hidden = true;
  stage.ariaBusy = false;
  trigger("files", sent);
}

// Return the pictures of what was dropped, those of folders with their place in it.
async function dropped(entries, path = "") {
  const files = [];
  for (const entry of entries) {
    const inside = path + entry.name;
    if (entry.isDirectory) {
      const reader = entry.createReader();
      const read = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      for (let batch = await read(); batch.length; batch = await read()) {
        files.push(...(await dropped(batch, `${inside}/`)));
      }
    } else {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      const isPicture = PICTURE.test(file.type) || PICTURE.test(file.name);
      if (!path || isPicture) files.push(Object.assign(file, { place: inside }));
    }
  }
  return files;
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
    pointer.scrollIntoView({ block: "nearest", inline: "nearest" });
  } else if ("+=".includes(event.key)) {
    enlargeBy(1, place);
  } else if (event.key === "-") {
    enlargeBy(-1, place);
  } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
    trigger("undo");
  } else if (event.key === "Enter" || event.key === " ") {
    click(place.x, place.y);
  } else if (event.key === "Escape") {
    trigger("leave");
  } else return;
  event.preventDefault();
};

// A wheel with Ctrl is also what two fingers on a touchpad are.
view.addEventListener("wheel", (event) => {
  if (!event.ctrlKey || frame.hidden) return;
  event.preventDefault();
  const box = frame.getBoundingClientRect();
  const about = {
    x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height,
  };
  enlargeBy(Math.sign(-event.deltaY), about);
}, { passive: false });

if (slider) slider.oninput = () => frame.style.setProperty("--before", `${slider.value}%`);

for (const input of inputs) {
  input.onchange = () => {
    const files = [...input.files];
    const pictures = input.webkitdirectory
      ? files.filter((file) => PICTURE.test(file.type) || PICTURE.test(file.name))
      : files;
    send(pictures, input.dataset.add === "yes");
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
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    const whole = entries.every(Boolean) ? dropped(entries) : event.dataTransfer.files;
    Promise.resolve(whole).then((files) => send(files, false));
  };
  element.onpaste = (event) => send(event.clipboardData.files, false);
}

pointer.style = at(place.x, place.y);
watch("value", draw);
draw();
