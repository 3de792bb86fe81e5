// A list on the page, of matches or of samples: one button an entry, which says its place.
const list = element.querySelector("ul");

function entry(item, index) {
  const row = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.onclick = () => trigger("press", { index });
  if (item.picture) {
    button.append(Object.assign(document.createElement("img"), { src: item.picture, alt: "" }));
    button.ariaLabel = item.text;
    row.append(button);
    return row;
  }
  const number = document.createElement("span");
  number.className = "pin";
  number.textContent = item.number;
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = item.color;
  const text = document.createElement("span");
  text.textContent = item.text;
  button.className = "away";
  button.textContent = "×";
  button.ariaLabel = `Take match ${item.number} away`;
  row.append(number, text, swatch, button);
  return row;
}

const draw = () => list.replaceChildren(...props.value.map(entry));
watch("value", draw);
draw();
