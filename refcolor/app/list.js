// A list on the page, of matches or of samples: one button an entry, which says its place.
const list = element.querySelector("ul");

function sample({ picture, text }, onclick) {
  return [button({ onclick, ariaLabel: text }, make("img", { src: picture, alt: "" }))];
}

function match({ number, text, color }, onclick) {
  return [
    make("span", { className: "marker", textContent: number }),
    make("span", { textContent: text }),
    make("span", { className: "swatch", style: `background: ${color}` }),
    button({ className: "away", textContent: "×", ariaLabel: `Take match ${number} away`, onclick }),
  ];
}

function entry(item, index) {
  const onclick = () => trigger("press", { index });
  return make("li", {}, ...(item.picture ? sample : match)(item, onclick));
}

const draw = () => refill(list, props.value.map(entry));
watch("value", draw);
draw();
