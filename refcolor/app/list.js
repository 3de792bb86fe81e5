// A list on the page, of matches, samples or colours: one button an entry, which says its place.
const list = element.querySelector("ul");

function sample({ picture, text }, onclick) {
  return [button({ onclick, ariaLabel: text }, make("img", { src: picture, alt: "" }))];
}

function match({ number, text, color }, onclick) {
  return [
    make("span", { className: "marker", textContent: number }),
    make("span", { textContent: text }),
    ...(color ? [make("span", { className: "swatch", style: `background: ${color}` })] : []),
    button({ className: "away", textContent: "×", ariaLabel: `Take match ${number} away`, onclick }),
  ];
}

function swatch({ text, color }, onclick) {
  const style = `background: ${color}`;
  return [button({ onclick, className: "swatch", ariaLabel: text, title: color, style })];
}

function entry(item, index) {
  const onclick = () => trigger("press", { index });
  const draw = item.picture ? sample : item.number ? match : swatch;
  return make("li", {}, ...draw(item, onclick));
}

const draw = () => refill(list, props.value.map(entry));
watch("value", draw);
draw();
