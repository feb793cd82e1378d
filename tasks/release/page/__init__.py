"""`release/index.html`: the corpus as a page that people look at, and the data beside it in `release/page/`."""
