// The map: land, then counts by cell or, where few enough are in view, the samples themselves.
const canvas = byId('canvas'), context = canvas.getContext('2d');
const view = { lon: 0, lat: 0, scale: 1 }; // middle in degrees; pixels of a degree of latitude
const MOST_SHOWN = 8000; // samples drawn one by one
const MOST_AREAS = 24; // loaded for one view
const DETAIL = 9; // pixels of a degree from which the finer land is drawn
const NEAREST = 40000; // pixels of a degree: 3 m each
const PICTURED = 20; // pixels of a patch from which its picture is drawn
const DEGREE = 100000;
const areas = CARD.areas.map(([depth, x, y, count], index) => {
  const side = 360 / 2 ** depth;
  return { name: `area-${index}`, west: -180 + x * side, south: -90 + y * side, side, count, samples: null };
});
const land = { world: null, tiles: new Map() };
const patchDegrees = CARD.pixels * 10 / 111320; // of latitude
let size = { width: 1, height: 1 }, drawn = { cells: [], areas: null }, selected = null, waitingFrame = 0, style = {};

const wrap = (degrees) => ((degrees + 180) % 360 + 360) % 360 - 180;
const squeeze = () => Math.max(0.2, Math.cos(view.lat * Math.PI / 180));
const toX = (lon) => size.width / 2 + wrap(lon - view.lon) * view.scale * squeeze();
const toY = (lat) => size.height / 2 - (lat - view.lat) * view.scale;
const toLon = (x) => view.lon + (x - size.width / 2) / (view.scale * squeeze());
const toLat = (y) => view.lat - (y - size.height / 2) / view.scale;

function readStyle() {
  const all = getComputedStyle(document.documentElement);
  for (const name of ['sea', 'land', 'border', 'accent', 'ink', 'faint', 'mark', 'card']) style[name] = all.getPropertyValue(`--${name}`).trim();
  style.dark = matchMedia('(prefers-color-scheme: dark)').matches;
  style.over = style.dark ? 'rgb(10 20 22 / .55)' : 'rgb(255 255 255 / .62)';
  style.ramp = style.dark ? [[28, 72, 71], [52, 128, 117], [142, 219, 192]] : [[196, 226, 218], [94, 175, 161], [14, 101, 94]];
  style.splits = style.dark ? ['#5cc7b4', '#f0b35a', '#d98be0', '#7fb2ff'] : ['#14806f', '#d1821a', '#9b3fb0', '#2c68c9'];
}
function ramp(share) {
  const [low, middle, high] = style.ramp, [from, to, part] = share < 0.5 ? [low, middle, 2 * share] : [middle, high, 2 * share - 1];
  return `rgb(${from.map((value, at) => Math.round(value + part * (to[at] - value))).join(',')})`;
}

// A view that holds the frame with some room; a single sample is shown with what is around it.
function fit() {
  const [west, south, east, north] = CARD.frame;
  view.lat = (south + north) / 2;
  view.lon = wrap((west + east) / 2);
  const room = Math.max(2.5 * patchDegrees, 0.02);
  const across = Math.max(east - west, room) * squeeze(), up = Math.max(north - south, room);
  view.scale = Math.min(0.9 * size.width / across, 0.88 * size.height / up);
}
const leastScale = () => Math.min(size.width / 380, size.height / 175);
function keepInside() {
  view.scale = Math.min(NEAREST, Math.max(leastScale(), view.scale));
  view.lat = Math.max(-85, Math.min(85, view.lat));
  view.lon = wrap(view.lon);
}
function zoom(factor, x = size.width / 2, y = size.height / 2) {
  const lon = toLon(x), lat = toLat(y);
  view.scale = Math.min(NEAREST, Math.max(leastScale(), view.scale * factor));
  view.lat = lat + (y - size.height / 2) / view.scale;
  keepInside();
  view.lon = wrap(lon - (x - size.width / 2) / (view.scale * squeeze()));
  draw();
}
function move(x, y) {
  view.lat += y / view.scale;
  keepInside();
  view.lon = wrap(view.lon - x / (view.scale * squeeze()));
  draw();
}
function goTo(lon, lat, scale) {
  Object.assign(view, { lon, lat, scale: Math.max(view.scale, scale) });
  keepInside();
  draw();
}

// Land: paths in degrees from the west and south of their tile, drawn by matrices.
function readLand(content) {
  const fill = new Path2D(), line = new Path2D(), [west, south, east, north] = content.bounds, [across, up] = content.steps;
  const edge = (x0, y0, x1, y1) => (x0 === x1 && (x0 === 0 || x0 === across)) || (y0 === y1 && (y0 === 0 || y0 === up));
  let x = 0, y = 0, begun = false;
  for (let at = 0; at < content.rows; at++) {
    const fromX = x, fromY = y;
    x += content.x[at];
    y += content.y[at];
    if (!begun) {
      fill.moveTo(x, y);
      line.moveTo(x, y);
    } else {
      fill.lineTo(x, y);
      if (edge(fromX, fromY, x, y)) line.moveTo(x, y);
      else line.lineTo(x, y);
    }
    begun = !content.last[at];
    if (!begun) fill.closePath();
  }
  return { fill, line, west, south, east, north, x: (east - west) / across, y: (north - south) / up };
}
function drawLand(part, shift, whole) {
  const across = view.scale * squeeze();
  const left = size.width / 2 + (part.west + shift - view.lon) * across, bottom = toY(part.south);
  const matrix = new DOMMatrix([part.x * across, 0, 0, -part.y * view.scale, left, bottom]);
  const fill = new Path2D(), line = new Path2D();
  fill.addPath(part.fill, matrix);
  line.addPath(part.line, matrix);
  context.fillStyle = style.land;
  context.fill(fill, 'evenodd');
  if (!whole) {
    // Tiles meet without a seam.
    context.strokeStyle = style.land;
    context.stroke(fill);
  }
  return line;
}
function shiftsOf(west, east) {
  const half = size.width / 2 / (view.scale * squeeze());
  return [-360, 0, 360].filter((shift) => west + shift < view.lon + half && east + shift > view.lon - half);
}
function drawAllLand() {
  const lines = [];
  context.lineWidth = 1;
  if (land.world) for (const shift of shiftsOf(-180, 180)) lines.push(drawLand(land.world, shift, true));
  const finer = [];
  if (view.scale >= DETAIL) {
    for (const [west, south] of CARD.tiles) {
      const shifts = shiftsOf(west, west + 15);
      if (!shifts.length || toY(south) < 0 || toY(south + 15) > size.height) continue;
      const name = `land-${west + 180}-${south + 90}`, tile = land.tiles.get(name);
      if (tile) for (const shift of shifts) finer.push([tile, shift]);
      else if (tile === undefined) {
        land.tiles.set(name, null);
        load(name).then((content) => { land.tiles.set(name, readLand(content)); draw(); }, () => {});
      }
    }
  }
  if (finer.length) lines.length = 0;
  context.fillStyle = style.sea;
  for (const [tile, shift] of finer) {
    const left = size.width / 2 + (tile.west + shift - view.lon) * view.scale * squeeze(), top = toY(tile.north);
    context.fillRect(left, top, (tile.east - tile.west) * view.scale * squeeze() + 1, toY(tile.south) - top + 1);
  }
  for (const [tile, shift] of finer) lines.push(drawLand(tile, shift, false));
  return lines;
}
// Coasts and borders: below samples, above cells, which would hide them.
function drawLines(lines, above) {
  context.strokeStyle = above ? style.over : style.border;
  context.lineWidth = 0.8;
  for (const line of lines) context.stroke(line);
}

// The share of an area that is in view, by which one reckons how many of its samples are.
function shareInView(area) {
  const halfWide = size.width / 2 / (view.scale * squeeze()), halfHigh = size.height / 2 / view.scale, reach = 20 / view.scale;
  const high = Math.min(area.south + area.side, view.lat + halfHigh + reach) - Math.max(area.south, view.lat - halfHigh - reach);
  const wide = [-360, 0, 360].reduce((sum, shift) => sum + Math.max(0, Math.min(area.west + shift + area.side, view.lon + halfWide + reach)
    - Math.max(area.west + shift, view.lon - halfWide - reach)), 0);
  return Math.max(0, high) * Math.min(wide, area.side) / area.side ** 2;
}

// The samples of all areas in view once they are there, if they are few enough.
function samplesInView() {
  const there = [];
  let expected = 0;
  for (const area of areas) {
    const share = shareInView(area);
    if (share) there.push(area);
    expected += share * area.count;
  }
  const all = areas.reduce((sum, area) => sum + area.count, 0) <= MOST_SHOWN;
  if (!all && (expected > MOST_SHOWN || there.length > MOST_AREAS)) return null;
  for (const area of there) {
    if (area.samples || area.asked) continue;
    area.asked = true;
    load(area.name).then((samples) => { area.samples = samples; draw(); },
      (error) => { byId('note').textContent = error.message; area.failed = true; });
  }
  return there.every((area) => area.samples) ? there.map((area) => area.samples) : null;
}

function colourOf(samples, at) {
  if (samples.missing[at]) return style.faint;
  if (CARD.kinds.label && samples.label[at]) return CARD.kinds.label.classes[samples.label[at] - 1][2];
  return style.splits[(samples.split[at] - 1) % style.splits.length] ?? style.accent;
}
function* shownSamples(all) {
  for (const samples of all) {
    for (let at = 0; at < samples.rows; at++) {
      if (!passes(samples, at)) continue;
      const x = toX(samples.lon[at] / DEGREE), y = toY(samples.lat[at] / DEGREE);
      if (x > -60 && y > -60 && x < size.width + 60 && y < size.height + 60) yield { samples, at, x, y };
    }
  }
}
function drawSamples(all) {
  const side = patchDegrees * view.scale, shown = [...shownSamples(all)];
  const radius = Math.max(2.2, Math.min(5, 1.6 + 40 / Math.sqrt(shown.length + 1)));
  const shards = side >= PICTURED ? new Set(shown.map(({ samples, at }) => shardOf(samples.sample[at]))) : new Set();
  for (const one of shown) {
    const { samples, at, x, y } = one;
    context.fillStyle = context.strokeStyle = colourOf(samples, at);
    context.beginPath();
    if (side > 2.6 * radius) {
      if (!samples.missing[at] && shards.size && shards.size <= KEPT / 2) drawPicture(samples.sample[at], x - side / 2, y - side / 2, side);
      else if (!samples.missing[at]) {
        context.globalAlpha = 0.3;
        context.fillRect(x - side / 2, y - side / 2, side, side);
        context.globalAlpha = 1;
      }
      context.lineWidth = 1.5;
      context.strokeRect(x - side / 2, y - side / 2, side, side);
    } else {
      context.arc(x, y, radius, 0, 2 * Math.PI);
      if (!samples.missing[at]) context.fill();
      context.lineWidth = samples.missing[at] ? 1.4 : 0.7;
      if (!samples.missing[at]) context.strokeStyle = style.dark ? 'rgb(0 0 0 / .55)' : 'rgb(40 50 50 / .6)';
      context.stroke();
    }
  }
  return shown;
}
// The picture of a sample in its place, once its sheet is there.
const onMap = new Map();
function drawPicture(sample, x, y, side) {
  const shard = shardOf(sample), image = onMap.get(shard);
  if (image) {
    const [place] = placeOn(sample);
    context.drawImage(image, place.x, place.y, place.side, place.side, x, y, side, side);
  } else if (image === undefined) {
    onMap.set(shard, null);
    sheetOf(shard).then((found) => { if (found) { onMap.set(shard, found); draw(); } });
  }
}

function drawCells() {
  const across = Math.round(360 / CARD.cell), cellPixels = CARD.cell * view.scale;
  const merged = 2 ** Math.max(0, Math.ceil(Math.log2(4.4 / cellPixels))), shown = new Map();
  let most = 1;
  for (let at = 0; at < summary.cells.length; at++) {
    const count = result.cells[at];
    if (!count) continue;
    const cell = summary.cells[at], column = Math.floor(cell % across / merged), row = Math.floor(Math.floor(cell / across) / merged);
    const key = row * across + column, sum = (shown.get(key) ?? 0) + count;
    shown.set(key, sum);
    if (sum > most) most = sum;
  }
  const side = CARD.cell * merged, high = side * view.scale, wide = high * squeeze(), cells = [];
  const gap = high > 7 ? 1 : 0;
  for (const [key, count] of shown) {
    const lon = key % across * side - 180 + side / 2, lat = Math.floor(key / across) * side - 90 + side / 2;
    const x = toX(lon) - wide / 2, y = toY(lat) - high / 2;
    if (x > size.width || y > size.height || x + wide < 0 || y + high < 0) continue;
    context.fillStyle = ramp(Math.sqrt(count / most));
    context.fillRect(x, y, wide - gap + 0.4, high - gap + 0.4);
    cells.push({ x, y, wide, high, lon, lat, count });
  }
  return { cells, most, side };
}

// How large what one sees is, and where on Earth.
const KILOMETRES = 111.32; // of a degree of latitude
function drawScale() {
  const most = 110 / view.scale * KILOMETRES, ten = 10 ** Math.floor(Math.log10(most));
  const length = ten * [5, 2, 1].find((times) => times * ten <= most), wide = length / KILOMETRES * view.scale;
  const left = 14, bottom = size.height - 14;
  context.strokeStyle = context.fillStyle = style.ink;
  context.lineWidth = 1.2;
  context.beginPath();
  context.moveTo(left, bottom - 5);
  context.lineTo(left, bottom);
  context.lineTo(left + wide, bottom);
  context.lineTo(left + wide, bottom - 5);
  context.stroke();
  context.font = '11px system-ui, sans-serif';
  context.lineWidth = 3;
  context.strokeStyle = style.land;
  const words = length < 1 ? `${number(Math.round(1000 * length))} m` : `${number(length)} km`;
  context.strokeText(words, left + 5, bottom - 5);
  context.fillText(words, left + 5, bottom - 5);
}
function drawInset() {
  const across = size.width / (view.scale * squeeze());
  if (!land.world || across > 50 || size.width < 300) return;
  const wide = Math.min(150, size.width / 3.4), scale = wide / 360, high = 150 * scale;
  const left = size.width - wide - 10, top = size.height - high - 10;
  context.save();
  context.beginPath();
  context.rect(left, top, wide, high);
  context.fillStyle = style.card;
  context.fill();
  context.clip();
  const path = new Path2D();
  // From 65 degrees south to 85 north.
  path.addPath(land.world.fill, new DOMMatrix([land.world.x * scale, 0, 0, -land.world.y * scale, left, top + 175 * scale]));
  context.fillStyle = style.border;
  context.fill(path, 'evenodd');
  const x = left + (view.lon + 180) * scale, y = top + (85 - view.lat) * scale;
  const half = Math.max(3, across * scale / 2), tall = Math.max(3, size.height / view.scale * scale / 2);
  context.strokeStyle = style.mark;
  context.lineWidth = 1.5;
  context.strokeRect(x - half, y - tall, 2 * half, 2 * tall);
  context.restore();
  context.strokeStyle = style.border;
  context.lineWidth = 1;
  context.strokeRect(left, top, wide, high);
}

function paint() {
  waitingFrame = 0;
  const ratio = Math.min(2, devicePixelRatio || 1);
  size = { width: canvas.clientWidth, height: canvas.clientHeight };
  if (canvas.width !== Math.round(size.width * ratio) || canvas.height !== Math.round(size.height * ratio)) {
    canvas.width = Math.round(size.width * ratio);
    canvas.height = Math.round(size.height * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = style.sea;
  context.fillRect(0, 0, size.width, size.height);
  const lines = drawAllLand(), all = samplesInView();
  drawn = { cells: [], samples: null };
  drawLines(lines, false);
  if (all) drawn.samples = drawSamples(all);
  else if (result) {
    Object.assign(drawn, drawCells());
    drawLines(lines, true);
  }
  if (selected) {
    const x = toX(selected.samples.lon[selected.at] / DEGREE), y = toY(selected.samples.lat[selected.at] / DEGREE);
    const half = Math.max(9, patchDegrees * view.scale / 2 + 3);
    context.strokeStyle = style.mark;
    context.lineWidth = 2.5;
    context.strokeRect(x - half, y - half, 2 * half, 2 * half);
  }
  drawScale();
  drawInset();
  if (document.activeElement === canvas && canvas.matches(':focus-visible')) {
    context.strokeStyle = style.ink;
    context.lineWidth = 1;
    context.strokeRect(size.width / 2 - 5, size.height / 2 - 5, 10, 10);
  }
  tellMap();
  canvas.dataset.drawn = drawn.samples ? 'samples' : result ? 'cells' : '';
  canvas.dataset.view = JSON.stringify(view);
}
function draw() {
  if (waitingFrame) return;
  canvas.dataset.drawn = ''; // what is shown is of another view until it is painted
  waitingFrame = requestAnimationFrame(paint);
}

function tellMap() {
  const failed = areas.some((area) => area.failed);
  const note = drawn.samples ? `${counted(drawn.samples.length)} in view`
    : result ? `samples in cells of ${Number(drawn.side.toPrecision(3))}\u00b0; zoom in to see each` : 'loading';
  if (!failed) byId('note').textContent = note;
  canvas.setAttribute('aria-label', `Map of the samples, ${note}`);
  const keys = [];
  const key = (colour, words) => keys.push(make('span', { class: 'key' }, swatch(colour), words));
  if (drawn.samples && !CARD.kinds.label) CARD.kinds.split.forEach((name, at) => key(style.splits[at % style.splits.length], name));
  else if (drawn.samples) {
    const seen = new Map();
    for (const { samples, at } of drawn.samples) if (samples.label[at]) seen.set(samples.label[at], (seen.get(samples.label[at]) ?? 0) + 1);
    for (const [label] of [...seen].sort((one, two) => two[1] - one[1]).slice(0, 5)) key(CARD.kinds.label.classes[label - 1][2], CARD.kinds.label.classes[label - 1][1]);
  } else if (drawn.cells.length) {
    for (const count of new Set([1, Math.ceil(drawn.most / 4), drawn.most])) key(ramp(Math.sqrt(count / drawn.most)), number(count));
  }
  byId('legend').replaceChildren(...keys);
}

// What lies under a point: the nearest sample, or a cell.
function sampleNear(x, y, reach) {
  let best = null, distance = reach;
  const half = patchDegrees * view.scale / 2;
  for (const one of drawn.samples ?? []) {
    const away = Math.max(0, Math.hypot(one.x - x, one.y - y) - (Math.abs(one.x - x) < half && Math.abs(one.y - y) < half ? half : 0));
    if (away < distance) [best, distance] = [one, away];
  }
  return best;
}
function open(x, y, reach = 14) {
  const found = sampleNear(x, y, reach);
  if (found) return select(found);
  const cell = drawn.cells.find((one) => x >= one.x && x <= one.x + one.wide && y >= one.y && y <= one.y + one.high);
  if (cell) goTo(cell.lon, cell.lat, view.scale * 3);
}

function listen() {
  const pointers = new Map();
  let moved = 0;
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    if (pointers.size === 1) moved = 0;
  });
  canvas.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) {
      canvas.style.cursor = sampleNear(event.offsetX, event.offsetY, 10) ? 'pointer' : '';
      return;
    }
    if (pointers.size === 1) move(event.offsetX - before.offsetX, event.offsetY - before.offsetY);
    else {
      const other = [...pointers.values()].find((one) => one.pointerId !== event.pointerId);
      const was = Math.hypot(before.offsetX - other.offsetX, before.offsetY - other.offsetY);
      const is = Math.hypot(event.offsetX - other.offsetX, event.offsetY - other.offsetY);
      zoom(is / Math.max(was, 1), (event.offsetX + other.offsetX) / 2, (event.offsetY + other.offsetY) / 2);
    }
    moved += Math.hypot(event.offsetX - before.offsetX, event.offsetY - before.offsetY);
    pointers.set(event.pointerId, event);
  });
  const end = (event) => {
    const alone = pointers.size === 1 && pointers.delete(event.pointerId);
    pointers.delete(event.pointerId);
    if (alone && event.type === 'pointerup' && moved < 5) open(event.offsetX, event.offsetY);
  };
  canvas.addEventListener('pointerup', end);
  canvas.addEventListener('pointercancel', end);
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener('keydown', (event) => {
    const step = 0.15 * Math.min(size.width, size.height);
    const actions = {
      ArrowLeft: () => move(step, 0), ArrowRight: () => move(-step, 0), ArrowUp: () => move(0, step), ArrowDown: () => move(0, -step),
      '+': () => zoom(1.6), '=': () => zoom(1.6), '-': () => zoom(1 / 1.6), 0: () => { fit(); draw(); },
      Enter: () => open(size.width / 2, size.height / 2, Infinity), n: () => stepTo(1), p: () => stepTo(-1), Escape: () => closeSample(),
    };
    const action = event.ctrlKey || event.metaKey || event.altKey ? null : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  byId('sample').addEventListener('keydown', (event) => { if (event.key === 'Escape') closeSample(); });
  for (const name of ['focus', 'blur']) canvas.addEventListener(name, draw);
  byId('closer').addEventListener('click', () => zoom(1.8));
  byId('farther').addEventListener('click', () => zoom(1 / 1.8));
  byId('whole').addEventListener('click', () => { fit(); draw(); });
  new ResizeObserver(draw).observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { readStyle(); draw(); });
}
