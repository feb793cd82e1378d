"""Draws the README's picture, `infra/pictures/demo.png`, from the demo corpus: its preview, with fewer samples."""

from pathlib import Path

from tasks.release.preview import preview
from tasks.shards.destinations import open_destination

ROOT = Path(__file__).parents[2]

CORPUS, PICTURE = ROOT / "demo" / "corpus", ROOT / "infra" / "pictures" / "demo.png"

SAMPLES = (22, 34, 4)
"""A town by a lake, one between forest and fields, the coast: of the corpus that `make demo` builds."""

if __name__ == "__main__":
    PICTURE.write_bytes(preview(open_destination(str(CORPUS)), SAMPLES, columns=1) or b"")
    print(f"wrote {PICTURE}")
