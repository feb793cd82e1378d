// One sample: its pictures and what its row says.
const MINUTE = 60000;
const moment = (minutes) => (minutes ? new Date(minutes * MINUTE).toISOString().slice(0, 16).replace('T', ' ') : null);
const nameOf = (sample) => `${CARD.name}-${String(shardOf(sample)).padStart(5, '0')}-${String(sample % CARD.shard_size).padStart(4, '0')}`;
const degrees = (value, names) => `${Math.abs(value / DEGREE).toFixed(4)}\u00b0 ${names[value < 0 ? 1 : 0]}`;
const countryOf = (samples, at) => CARD.kinds.country[samples.country[at]]?.[1] ?? 'at sea';
// Above pictures that are small.
const SHORT = { 'Sentinel-2 true colour': 'Sentinel-2', 'Sentinel-1 VV / VH / ratio': 'Sentinel-1' };
const shortOf = (panel) => SHORT[panel] ?? panel.match(/, (\d{4}-.*)$/)?.[1] ?? titleOf(panel);
const titleOf = (panel) => CARD.layers.find((layer) => layer.name === panel)?.arrays[0].title.split(/[:,]/)[0] ?? panel;

// All pictures of a sample beside each other; says whether there are any.
async function drawLook(picture, sample) {
  const places = placeOn(sample), side = places[0].side;
  picture.width = places.length * side;
  picture.height = side;
  picture.dataset.sample = sample;
  const sheet = await sheetOf(shardOf(sample));
  if (!sheet || picture.dataset.sample !== String(sample)) return Boolean(sheet);
  const pen = picture.getContext('2d');
  places.forEach((place, at) => pen.drawImage(sheet, place.x, place.y, side, side, at * side, 0, side, side));
  picture.dataset.ready = 'yes';
  return true;
}

function gapOf(samples, at) {
  const minutes = samples.gap_minutes[at];
  return minutes === -2147483648 ? null : `${minutes < 0 ? '\u2212' : '+'}${(Math.abs(minutes) / 60).toFixed(1)} h`;
}

function select(found) {
  const { samples, at } = found, sample = samples.sample[at];
  selected = { samples, at };
  const rows = [];
  const tell = (head, ...value) => { if (value.some((one) => one !== null && one !== undefined && one !== '')) rows.push(make('dt', {}, head), make('dd', {}, ...value)); };
  const why = samples.missing[at] ? CARD.kinds.missing[samples.missing[at] - 1] : null;
  const sensors = Object.fromEntries(CARD.platforms[0].arrays.map((array) => [array.sensor, true]));
  tell('Without pixels', why?.[1]);
  tell('Place', samples.place_ids?.[at]);
  tell('Where', `${degrees(samples.lat[at], 'NS')}, ${degrees(samples.lon[at], 'EW')}, ${countryOf(samples, at)}`);
  tell('Split', CARD.kinds.split[samples.split[at] - 1]);
  const dated = CARD.dates > 1, day = (minutes) => moment(minutes)?.slice(0, 10);
  if (dated) tell('Dates', samples.dates[at] ? `${samples.dates[at]} of ${CARD.dates}, ${day(samples.time[at])} to ${day(samples.other_time[at])}` : null);
  else if (sensors.sentinel2) tell('Sentinel-2', moment(samples.time[at]) && `${moment(samples.time[at])} UTC`);
  const direction = ['', ', ascending', ', descending'][samples.direction[at]];
  if (sensors.sentinel1 && !dated) tell('Sentinel-1', moment(samples.other_time[at]) && `${moment(samples.other_time[at])} UTC${direction}`);
  tell(dated ? 'Apart, at most' : 'Apart', gapOf(samples, at));
  tell('Cloud', samples.cloud_tenths[at] === 65535 ? null : `${(samples.cloud_tenths[at] / 10).toFixed(1)} % of the scene${dated ? 's, mean' : ''}`);
  tell('Grid', `EPSG:${samples.epsg[at]}`);
  const classes = [0, 1, 2].filter((rank) => samples[`top${rank}`]?.[at] && samples[`share${rank}`][at]).map((rank) => {
    const [, name, colour] = CARD.kinds.label.classes[samples[`top${rank}`][at] - 1];
    return make('div', { class: 'key' }, swatch(colour), `${name} ${samples[`share${rank}`][at]} %`);
  });
  tell('Classes', ...classes);
  tell('In the arrays', `index ${sample}`);
  const picture = make('canvas', { role: 'img', 'aria-label': `Quicklooks of ${nameOf(sample)}: ${CARD.quicklooks.panels.map(titleOf).join(', ')}` });
  const heads = make('div', { class: 'panels' }, ...CARD.quicklooks.panels.map((panel) => make('span', { title: titleOf(panel) }, shortOf(panel))));
  const none = make('p', { class: 'faint', hidden: '' }, why ? 'This place is listed, and has no pixels.'
    : 'No quicklook: its shard was built before they were recorded.');
  const panel = byId('sample'), stepped = document.activeElement?.dataset.step;
  panel.replaceChildren(
    make('h3', {}, nameOf(sample)),
    make('button', { type: 'button', class: 'close', 'aria-label': 'Close', onclick: closeSample }, '\u00d7'),
    picture, heads, none, make('dl', {}, ...rows),
    make('div', { class: 'step' }, make('button', { type: 'button', 'data-step': 'back', onclick: () => stepTo(-1) }, 'Previous'),
      make('button', { type: 'button', 'data-step': 'on', onclick: () => stepTo(1) }, 'Next')),
  );
  panel.hidden = false;
  // Who steps by keys stays where they are.
  if (stepped) panel.querySelector(`[data-step=${stepped}]`).focus();
  panel.dataset.sample = sample;
  const without = () => { picture.hidden = heads.hidden = true; none.hidden = false; };
  if (why) without();
  else drawLook(picture, sample).then((there) => there || without());
  showSelected();
}

// Moves the map where the sample would lie outside it, or under what is told of it.
function showSelected() {
  const { samples, at } = selected, panel = byId('sample');
  const free = size.width - (getComputedStyle(panel).position === 'absolute' ? panel.offsetWidth + 20 : 0);
  const x = toX(samples.lon[at] / DEGREE), y = toY(samples.lat[at] / DEGREE), edge = 24;
  if (x < edge || x > free - edge || y < edge || y > size.height - edge) move(free / 2 - x, size.height / 2 - y);
  else draw();
}
function closeSample() {
  const within = byId('sample').contains(document.activeElement);
  byId('sample').hidden = true;
  if (within) canvas.focus();
  selected = null;
  draw();
}

// The next of the samples in view, in the order of their numbers.
function stepTo(by) {
  const order = [...(drawn.samples ?? [])].sort((one, two) => one.samples.sample[one.at] - two.samples.sample[two.at]);
  if (!order.length) return;
  const now = selected ? selected.samples.sample[selected.at] : -1;
  const after = order.findIndex((one) => one.samples.sample[one.at] > now);
  const last = order.findLastIndex((one) => one.samples.sample[one.at] < now);
  select(order[by > 0 ? Math.max(after, 0) : last < 0 ? order.length - 1 : last]);
}

// Some samples at once, of those that the page has the facts of from the start.
const SHOWN = 8;
let examples = null;
function tellGallery() {
  if (!examples?.rows) return;
  const fitting = [];
  for (let at = 0; at < examples.rows && fitting.length < SHOWN; at++) if (passes(examples, at)) fitting.push(at);
  byId('gallery').hidden = false;
  byId('gallery-note').textContent = fitting.length
    ? `Of shard ${shardOf(examples.sample[0])}, from left to right: ${CARD.quicklooks.panels.map(titleOf).join(', ')}.`
    : 'None of the first shard passes the filters; the map has the others.';
  byId('looks').replaceChildren(...fitting.map((at) => {
    const picture = make('canvas', { 'aria-hidden': 'true' });
    drawLook(picture, examples.sample[at]);
    const told = [examples.country[at] ? countryOf(examples, at) : null, moment(examples.time[at])?.slice(0, 10), gapOf(examples, at) && `${gapOf(examples, at)} apart`];
    const open = () => {
      goTo(examples.lon[at] / DEGREE, examples.lat[at] / DEGREE, 0.16 * Math.min(size.width, size.height) / patchDegrees);
      select({ samples: examples, at });
      byId('explore').scrollIntoView({ block: 'nearest' });
    };
    return make('button', { type: 'button', class: 'look', onclick: open }, picture, make('span', {}, told.filter(Boolean).join(', ')));
  }));
}
