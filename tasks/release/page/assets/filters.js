// What is looked at: counts of all samples by cell and kind, and which of them pass.
const KINDS = ['country', 'split', 'gap', 'cloud', 'month', 'label', 'missing'];
const chosen = Object.fromEntries(KINDS.map((kind) => [kind, null]));
const sizes = {
  country: Math.max(0, ...Object.keys(CARD.kinds.country).map(Number)) + 1, split: CARD.kinds.split.length + 1,
  gap: 2 * CARD.kinds.gap.bins + 1, cloud: CARD.kinds.cloud + 1, month: 13,
  label: (CARD.kinds.label?.classes.length ?? 0) + 1, missing: CARD.kinds.missing.length + 1,
};
let summary = null;
let allowed = {};
let result = null;

// Of each kind: which of its numbers pass.
function admit() {
  allowed = Object.fromEntries(KINDS.map((kind) => {
    const passes = new Uint8Array(sizes[kind]), value = chosen[kind];
    if (value === null) passes.fill(1);
    else if (kind === 'gap') passes.fill(1, CARD.kinds.gap.bins - value + 1, CARD.kinds.gap.bins + value + 1);
    else if (kind === 'cloud') passes.fill(1, 1, value + 1);
    else if (kind === 'missing') passes.fill(1, value, value ? undefined : 1);
    else passes[value] = 1;
    return [kind, passes];
  }));
}

function passes(samples, at) {
  for (const kind of KINDS) if (!allowed[kind][samples[kind][at]]) return false;
  return true;
}

// Counts by cell, and of each kind by number: what passes all filters but its own.
function apply() {
  admit();
  if (!summary) return;
  const columns = KINDS.map((kind) => summary[kind]), masks = KINDS.map((kind) => allowed[kind]);
  const counts = KINDS.map((kind) => new Float64Array(sizes[kind]));
  const cells = new Float64Array(summary.cells.length), { count, place } = summary, kinds = KINDS.length;
  let total = 0;
  for (let row = 0; row < summary.rows; row++) {
    let fails = 0, last = -1;
    for (let kind = 0; kind < kinds; kind++) {
      if (!masks[kind][columns[kind][row]]) {
        last = kind;
        if (++fails > 1) break;
      }
    }
    if (fails === 0) {
      total += count[row];
      cells[place[row]] += count[row];
      for (let kind = 0; kind < kinds; kind++) counts[kind][columns[kind][row]] += count[row];
    } else if (fails === 1) counts[last][columns[last][row]] += count[row];
  }
  result = { total, cells, counts: Object.fromEntries(KINDS.map((kind, at) => [kind, counts[at]])) };
}

// Cells are summed up from their differences; `place` is the number of a row's cell among those that have samples.
function readSummary(content) {
  const cells = [], place = new Uint32Array(content.rows);
  let cell = 0;
  for (let row = 0; row < content.rows; row++) {
    if (row === 0 || content.cell[row]) cells.push(cell += content.cell[row]);
    place[row] = cells.length - 1;
  }
  summary = { ...content, cells, place };
}

// Of each kind the values to choose from: [value, words].
const OPTIONS = {
  split: () => CARD.kinds.split.map((name, at) => [at + 1, name]),
  country: () => Object.entries(CARD.kinds.country).map(([value, [code, name]]) => [Number(value), code ? `${name} (${code})` : name])
    .sort((one, two) => one[1].localeCompare(two[1], 'en')),
  gap: () => (CARD.gap.length ? [1, 2, 4, 8, 16, 32] : []).filter((bins) => bins < CARD.kinds.gap.bins)
    .map((bins) => [bins, `less than ${number(bins * CARD.kinds.gap.step)} h`]),
  cloud: () => [1, 2, 3, 5, 8].map((tenths) => [tenths, `below ${10 * tenths} %`]),
  month: () => (CARD.dates > 1 ? [] : CARD.kinds.month.map((name, at) => [at + 1, name])),
  label: () => (CARD.kinds.label?.classes ?? []).map(([code, name], at) => [at + 1, name === code ? code : `${code} ${name}`]),
  missing: () => (CARD.rows > CARD.samples ? [[0, 'with pixels'], [1, 'without pixels']] : []),
};
const HEADS = {
  split: 'Split', country: 'Country', gap: CARD.dates > 1 ? 'Time between the acquisitions of a date, at most' : 'Time between the acquisitions',
  cloud: CARD.dates > 1 ? 'Cloud cover, mean of its scenes' : 'Cloud cover of the scene',
  month: 'Month', label: 'Most frequent class', missing: 'Pixels',
};

// How many samples would be left with a value chosen.
function countOf(kind, value) {
  const counts = result.counts[kind];
  let sum = 0;
  if (kind === 'gap') for (let at = CARD.kinds.gap.bins - value + 1; at <= CARD.kinds.gap.bins + value; at++) sum += counts[at];
  else if (kind === 'cloud') for (let at = 1; at <= value; at++) sum += counts[at];
  else if (kind === 'missing' && value) for (let at = 1; at < counts.length; at++) sum += counts[at];
  else sum = counts[value];
  return sum;
}

function makeFilters(changed) {
  for (const kind of Object.keys(HEADS)) {
    const options = OPTIONS[kind]();
    if (options.length < (kind === 'country' ? 1 : 2)) continue;
    const select = make('select', { id: `filter-${kind}`, name: kind });
    select.append(make('option', { value: '' }, 'all'));
    for (const [value, words] of options) {
      const option = make('option', { value }, words);
      option.dataset.words = words;
      select.append(option);
    }
    select.addEventListener('change', () => {
      chosen[kind] = select.value === '' ? null : Number(select.value);
      changed();
    });
    byId('selects').append(make('label', { for: select.id }, HEADS[kind]), select);
    select.previousSibling.append(select);
  }
  byId('filters').addEventListener('reset', () => {
    for (const kind of KINDS) chosen[kind] = null;
    changed();
  });
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
}

function tellFilters() {
  for (const kind of Object.keys(HEADS)) {
    const select = byId(`filter-${kind}`);
    if (!select) continue;
    select.classList.toggle('set', chosen[kind] !== null);
    for (const option of select.options) {
      if (option.value === '') continue;
      const count = countOf(kind, Number(option.value));
      option.textContent = `${option.dataset.words}  (${number(count)})`;
      option.hidden = (kind === 'label' || kind === 'country') && count === 0 && Number(option.value) !== chosen[kind];
    }
  }
  const left = make('b', {}, number(result.total));
  byId('count').replaceChildren(left, `of ${counted(CARD.rows, CARD.rows > CARD.samples ? 'place' : 'sample')}`);
  byId('count').dataset.total = result.total;
  byId('clear').disabled = KINDS.every((kind) => chosen[kind] === null);
}
