// Bars: drawn as SVG, with their numbers in titles.
const SVG = 'http://www.w3.org/2000/svg';
function shape(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// `bars` are [words, count, whether it passes]; `marks` are [position in bars, words] below the axis.
function barChart(bars, marks, { height = 90, width = 340, label = '', scale = (value) => value } = {}) {
  const most = Math.max(1e-12, ...bars.map(([, count]) => scale(count))), step = width / bars.length;
  const drawing = shape('svg', { viewBox: `0 0 ${width} ${height + 16}`, role: 'img', 'aria-label': label });
  bars.forEach(([words, count, inside], at) => {
    const high = count ? Math.max(1, height * scale(count) / most) : 0;
    const bar = shape('rect', { class: inside === false ? 'bar out' : 'bar', x: (at * step).toFixed(2), y: (height - high).toFixed(2), width: Math.max(0.5, step - (step > 4 ? 1 : 0)).toFixed(2), height: high.toFixed(2) },
      shape('title', {}, `${words}: ${number(count)}`));
    drawing.append(bar);
  });
  drawing.append(shape('line', { class: 'axis', x1: 0, x2: width, y1: height + 0.5, y2: height + 0.5 }));
  for (const [at, words] of marks) {
    const x = at * step;
    drawing.append(shape('text', { x: x.toFixed(1), y: height + 13, 'text-anchor': x < 8 ? 'start' : x > width - 8 ? 'end' : 'middle' }, words));
  }
  return drawing;
}
function figure(title, small, drawing) {
  return make('figure', {}, make('figcaption', {}, title, ' ', make('small', {}, small)), drawing);
}

const ROLES = { s2: 'Sentinel-2', s1: 'Sentinel-1' };
function tellHistograms() {
  const { gap, month } = CARD.kinds, { counts } = result, found = [], dated = CARD.dates > 1;
  // What differs by date is told of all dates, whatever the filters: they go by samples.
  const numbers = (kind) => (dated && CARD.at_dates[kind]) || counts[kind], all = dated ? ', all dates of all samples' : '';
  const told = (kind) => Array.from(numbers(kind), (count, code) => [code, count, dated || Boolean(allowed[kind][code])]).slice(1);
  if (told('gap').some(([, count]) => count)) {
    const edges = (code) => (code - gap.bins - 1) * gap.step;
    const bars = told('gap').map(([code, count, inside]) => [`${edges(code)} to ${edges(code) + gap.step} h`, count, inside]);
    const every = Math.max(1, Math.round(gap.bins / 3)), marks = [];
    for (let at = -gap.bins; at <= gap.bins; at++) if (at % every === 0) marks.push([at + gap.bins, `${number(at * gap.step)} h`]);
    found.push(figure('Time apart', `${CARD.gap.map((role) => ROLES[role] ?? role).join(' after ')}${all}`, barChart(bars, marks, { label: 'Histogram of the time between the acquisitions' })));
  }
  if (told('cloud').some(([, count]) => count)) {
    const bars = told('cloud').map(([code, count, inside]) => [`${10 * (code - 1)} to ${10 * code} %`, count, inside]);
    const unknown = numbers('cloud')[0] ? `, ${number(numbers('cloud')[0])} not told` : '';
    found.push(figure('Cloud cover', `of the whole scene, percent${unknown}${all}`, barChart(bars, [[0, '0'], [5, '50'], [10, '100 %']], { label: 'Histogram of the cloud cover' })));
  }
  if (told('month').some(([, count]) => count)) {
    const bars = told('month').map(([code, count, inside]) => [month[code - 1], count, inside]);
    found.push(figure('Month', `of the acquisition, all years${all}`, barChart(bars, month.map((name, at) => [at + 0.5, name[0]]), { label: 'Histogram of the months' })));
  }
  const splits = make('ul', { class: 'classes' }, ...CARD.kinds.split.map((name, at) => classRow(style.splits[at % style.splits.length], name, counts.split[at + 1] / (result.total || 1), number(counts.split[at + 1]))));
  found.push(make('figure', {}, make('figcaption', {}, 'Splits'), splits));
  byId('histograms').replaceChildren(...found);
}

function classRow(colour, name, share, words) {
  const bar = make('i');
  bar.style.width = `${Math.min(100, 100 * share)}%`;
  return make('li', {}, swatch(colour), make('span', { title: name }, name), make('span', { class: 'share' }, bar), make('span', { class: 'number' }, words));
}

// Labels: shares of the classes, the largest first, or only what they are called.
function tellLabels() {
  if (!CARD.layers.length) return;
  const found = [make('h2', {}, 'Labels')];
  for (const layer of CARD.layers) {
    for (const array of layer.arrays) {
      found.push(make('h3', {}, `${array.title.split(/[:,]/)[0]} `, make('code', {}, array.path)));
      if (!array.classes) {
        found.push(make('p', { class: 'faint' }, `Measured values${array.values?.step && array.values.step !== 1 ? `, in steps of ${array.values.step}` : ''}.`));
        continue;
      }
      const rows = array.classes.map(([code, name, colour], at) => ({ words: name === code ? name : `${code} ${name}`, colour, share: array.shares?.[at] }));
      if (array.shares) {
        const most = Math.max(...array.shares, 1e-9), there = rows.filter((row) => row.share > 0).sort((one, two) => two.share - one.share);
        found.push(make('ul', { class: 'classes' }, ...there.map(({ words, colour, share }) => classRow(colour, words, share / most, `${(100 * share).toFixed(share < 0.001 ? 2 : 1)} %`))));
        const none = rows.length - there.length;
        if (none) found.push(make('p', { class: 'faint' }, `${none} of ${rows.length} classes do not occur.`));
      } else {
        const list = make('ul', { class: 'classes' }, ...rows.map(({ words, colour }) => make('li', { class: 'plain' }, swatch(colour), make('span', { title: words }, words))));
        found.push(make('details', {}, make('summary', {}, `${rows.length} classes${array.bits ? ', of which a pixel may have several' : ''}`), list));
      }
    }
  }
  byId('labels').replaceChildren(...found);
  byId('labels').hidden = false;
}

// Bands: the histograms that the statistics have.
function tellBands() {
  const statistics = CARD.statistics;
  if (!statistics) return;
  const charts = [];
  for (const [path, array] of Object.entries(statistics.arrays)) {
    const bands = Object.entries(array.bands).map(([name, band]) => {
      if (!band.valid) return make('figure', {}, make('figcaption', {}, name), make('p', { class: 'faint' }, 'no valid pixels'));
      const { edges, counts } = band.histogram, round = (value) => number(Number(value.toPrecision(3)));
      const bars = counts.map((count, at) => [`${round(edges[at])} to ${round(edges[at + 1])}`, count]);
      const drawing = barChart(bars, [[0, round(edges[0])], [bars.length, round(edges.at(-1))]], { width: 150, height: 56, label: `Histogram of ${name}` });
      return figure(name, `${round(band.mean)} \u00b1 ${round(band.std)}`, drawing);
    });
    charts.push(make('h3', {}, make('code', {}, path), ` ${array.unit ?? ''}`), make('div', { class: 'band-charts' }, ...bands));
  }
  byId('bands').replaceChildren(make('h2', {}, 'Bands'),
    make('p', { class: 'faint' }, `Valid pixels of ${counted(statistics.samples)}${statistics.split === 'all' ? '' : ` of the split ${statistics.split}`}; mean \u00b1 standard deviation.`), ...charts);
  byId('bands').hidden = false;
}
