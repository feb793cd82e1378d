// From the top: what is known at once, then land, counts and samples as they come.
function changed() {
  apply();
  if (!result) return;
  tellFilters();
  tellHistograms();
  tellGallery();
  draw();
}
async function begin() {
  readStyle();
  admit();
  tellLead();
  tellLabels();
  tellBands();
  tellFacts();
  tellCode();
  tellTerms();
  listen();
  size = { width: canvas.clientWidth, height: canvas.clientHeight };
  fit();
  draw();
  makeFilters(changed);
  load('world').then((content) => { land.world = readLand(content); draw(); }, () => {});
  try {
    readSummary(await load('summary'));
  } catch (error) {
    byId('note').textContent = `${error.message}: it lies beside this page, in the folder page`;
    return;
  }
  apply();
  examples = await unpack(CARD.examples);
  changed();
  document.documentElement.dataset.ready = 'yes';
}
begin();
