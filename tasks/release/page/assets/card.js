// The corpus in words, the code that opens it, and whose it is.
function tellLead() {
  const of = CARD.platforms.map((platform) => platform.name).join(' and ');
  const labels = CARD.layers.length ? `, labelled with ${CARD.layers.map((layer) => layer.name).join(', ')}` : '';
  const sensors = [...new Set(CARD.platforms[0].arrays.map((array) => (array.sensor === 'sentinel2' ? 'Sentinel-2' : 'Sentinel-1')))].join(' and ');
  byId('lead').textContent = `${counted(CARD.samples)} of ${sensors}${CARD.dates > 1 ? ` at ${CARD.dates} dates` : ''} from ${of}${labels}, ${CARD.pixels} \u00d7 ${CARD.pixels} pixels of 10 m, ${CARD.window[0]} to ${CARD.window[1]}`;
}
const bytesOf = (bytes) => {
  const power = Math.min(4, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${(bytes / 1000 ** power).toPrecision(3)} ${['bytes', 'kB', 'MB', 'GB', 'TB'][power]}`;
};

function tellFacts() {
  const rows = [];
  const tell = (head, ...value) => rows.push(make('dt', {}, head), make('dd', {}, ...value));
  tell('Samples', number(CARD.samples), CARD.rows > CARD.samples ? ` of ${counted(CARD.rows, 'listed place')}` : '');
  if (CARD.rows > CARD.samples) {
    CARD.kinds.missing.forEach(([, words, count]) => {
      if (count) tell('Without pixels', `${number(count)}: ${words}`);
    });
  }
  tell('Size', `${bytesOf(CARD.bytes)} in ${counted(CARD.shards[0], 'shard')}${CARD.shards[0] < CARD.shards[1] ? ` of ${number(CARD.shards[1])}` : ''} of ${number(CARD.shard_size)}`);
  tell('Patches', `${CARD.pixels} \u00d7 ${CARD.pixels} pixels of 10 m in the UTM zone of each`);
  tell('Window', `${CARD.window[0]} to before ${CARD.window[1]}, UTC`);
  if (CARD.dates > 1) tell('Dates', CARD.instants);
  for (const [role, words] of CARD.rules) tell(`Role ${role}`, words.replaceAll('`', ''));
  for (const platform of CARD.platforms) {
    const absent = platform.absent.length ? `; without ${platform.absent.join(' ')}` : '';
    tell(platform.name, `${[...platform.arrays.map((array) => array.path), ...platform.masks].join(', ')}; bands ${platform.bands.join(' ')}${absent}`);
  }
  if (CARD.places) tell('Places', { random: 'drawn at random', cover: 'cover given polygons', points: 'given points' }[CARD.places] ?? CARD.places, CARD.places === 'random' ? `, seed ${CARD.seed}` : '');
  const gone = CARD.quicklooks.lacking.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  if (gone) tell('Quicklooks', `none of ${counted(gone, 'shard')}, built before they were recorded`);
  tell('Made with', Object.entries(CARD.software).map(([name, version]) => `${name} ${version}`).join(', '));
  tell('Digest', make('code', {}, CARD.digest));
  byId('facts').replaceChildren(...rows);
}

// Where the corpus is: the folder above that of this page.
function corpusLocation() {
  const here = new URL('..', location.href);
  return (here.protocol === 'file:' ? decodeURIComponent(here.pathname) : here.origin + here.pathname).replace(/\/$/, '');
}
function snippets() {
  const at = JSON.stringify(corpusLocation()), [platform] = CARD.platforms, name = platform.name;
  const arrays = Object.fromEntries([...platform.arrays].reverse().map((array) => [array.sensor, array.path.split('/')[1]]));
  const labels = CARD.layers.flatMap((layer) => layer.arrays.map((array) => array.path.split('/')[1]));
  const split = CARD.kinds.split.includes('train') ? '"train"' : 'None';
  const tree = [`import xarray as xr`, ``, `corpus = xr.open_datatree(${at}, engine="zarr")`,
    `sample = corpus["${name}"].ds.isel(sample=0)`,
    arrays.sentinel2 ? `red = sample["${arrays.sentinel2}"].sel(band="B04")  # reflectance x 10,000, 0 = nodata` : null,
    arrays.sentinel1 ? `vv = sample["${arrays.sentinel1}"].sel(polarization="VV")  # dB, NaN = nodata` : null,
    labels.length ? `labels = corpus["labels"].ds.isel(sample=0)  # legend: release/legend.json` : null];
  const table = [`import geopandas as gpd`, ``, `samples = gpd.read_parquet(${at} + "/release/samples.parquet")`,
    `train = samples[samples["split"] == "train"]  # the column "sample" is the index into the arrays`];
  const torch = [`from torch.utils.data import DataLoader`, ``, `from tasks.training.reader import CorpusDataset  # pip install 'deepsentinel[train]'`,
    `from tasks.training.sampling import ShardSampler`, ``, `data = CorpusDataset(`, `    ${at},`, `    split=${split},`, labels.length ? `    labels=${JSON.stringify(labels.slice(0, 1))},` : null,
    `    digest="${CARD.digest}",`, `)`, `for batch in DataLoader(data, batch_size=32, sampler=ShardSampler(data.shards, seed=1), num_workers=2):`, `    batch["image"]${labels.length ? ', batch["mask"]' : ''}`];
  return [['xarray', tree], ['geopandas', table], ['PyTorch', torch]].map(([title, lines]) => [title, lines.filter((line) => line !== null).join('\n')]);
}
async function copy(text, code) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(code);
    document.execCommand('copy');
  }
}
function tellCode() {
  byId('snippets').replaceChildren(...snippets().map(([title, text]) => {
    const code = make('code', {}, text);
    const button = make('button', { type: 'button', 'aria-label': `Copy the code for ${title}` }, 'Copy');
    button.addEventListener('click', async () => {
      await copy(text, code);
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    });
    return make('div', { class: 'snippet' }, make('h3', {}, title), make('pre', { tabindex: '0' }, code), button);
  }));
}
function tellTerms() {
  byId('licences').replaceChildren(
    make('thead', {}, make('tr', {}, ...['What', 'Licence', 'To be named as'].map((head) => make('th', { scope: 'col' }, head)))),
    make('tbody', {}, ...CARD.terms.map((row) => make('tr', {}, ...row.map((text) => make('td', {}, text))))),
  );
  byId('foot').replaceChildren('Digest ', make('code', {}, CARD.digest), '. Borders are those of Natural Earth and say nothing of claims.');
}
