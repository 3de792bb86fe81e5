// Shared by panel.js and list.js.
function make(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const button = (properties, ...children) =>
  make("button", { type: "button", ...properties }, ...children);

// Give a list other entries. A button that has the focus keeps it, or hands it to its neighbour.
function refill(list, entries) {
  const buttons = () => [...list.querySelectorAll("button")];
  const focused = buttons().indexOf(document.activeElement);
  list.replaceChildren(...entries);
  if (focused >= 0) buttons().slice(0, focused + 1).at(-1)?.focus();
}
