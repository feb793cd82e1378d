// Data beside the page, by scripts: a page from a folder may load those, and read no files.
const arrays = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i2: Int16Array, i4: Int32Array };
const waiting = new Map();
window.deepsentinel = (name, content) => waiting.get(name)?.resolve(content);

// A link with a signature in its query opens what lies beside the page too.
const signature = /[?&]sig=/.test(location.search) ? location.search : '';

function load(name) {
  if (!waiting.has(name)) {
    const entry = {};
    entry.promise = new Promise((resolve, reject) => {
      entry.resolve = resolve;
      const script = document.createElement('script');
      script.src = `page/${name}.js${signature}`;
      script.onload = () => script.remove();
      script.onerror = () => reject(new Error(`page/${name}.js cannot be loaded`));
      document.head.append(script);
    }).then(unpack);
    waiting.set(name, entry);
  }
  return waiting.get(name).promise;
}

// Columns of numbers: deflated, the first bytes of all values before all second ones.
async function unpack(content) {
  const text = atob(content.data), bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  const flat = new Uint8Array(await new Response(stream).arrayBuffer());
  const rows = content.rows, found = { ...content };
  let start = 0;
  for (const [name, type] of content.columns) {
    const values = new arrays[type](rows), width = values.BYTES_PER_ELEMENT;
    const view = new Uint8Array(values.buffer);
    for (let byte = 0; byte < width; byte++, start += rows) {
      for (let row = 0; row < rows; row++) view[row * width + byte] = flat[start + row];
    }
    found[name] = values;
  }
  return found;
}

// Sheets of quicklooks, a few of them kept: a sheet is a megabyte, and decoded much more.
const sheets = new Map();
const KEPT = 12;
function sheetOf(shard) {
  if (CARD.quicklooks.lacking.some(([first, last]) => first <= shard && shard <= last)) return Promise.resolve(null);
  if (!sheets.has(shard)) {
    sheets.set(shard, new Promise((resolve) => {
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = () => resolve(null);
      image.src = `../quicklooks/shard-${String(shard).padStart(5, '0')}.jpg${signature}`;
    }));
    if (sheets.size > KEPT) sheets.delete(sheets.keys().next().value);
  }
  return sheets.get(shard);
}

// Where a sample's pictures lie on its sheet, without the line at the edge that has its neighbours' colours.
function placeOn(sample) {
  const { side, columns, panels } = CARD.quicklooks, row = sample % CARD.shard_size;
  return panels.map((_, at) => ({
    x: (row % columns * panels.length + at) * side + 1, y: Math.floor(row / columns) * side + 1, side: side - 2,
  }));
}
const shardOf = (sample) => Math.floor(sample / CARD.shard_size);

// Elements: text is only ever text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'class') element.className = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
const byId = (id) => document.getElementById(id);
const number = (value) => Number(value).toLocaleString('en');
const counted = (count, one = 'sample') => `${number(count)} ${one}${Number(count) === 1 ? '' : 's'}`;
function swatch(colour) {
  const square = make('span', { class: 'swatch' });
  square.style.background = colour;
  return square;
}
