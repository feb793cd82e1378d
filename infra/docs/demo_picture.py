"""Draws the README's picture, `infra/pictures/demo.jpg`, from the demo corpus: some of its preview, in fewer bytes."""

import io
from pathlib import Path

from PIL import Image

from tasks.release.preview import preview
from tasks.shards.destinations import open_destination

ROOT = Path(__file__).parents[2]

CORPUS, PICTURE = ROOT / "demo" / "corpus", ROOT / "infra" / "pictures" / "demo.jpg"

SAMPLES = (22, 34, 4)
"""A town by a lake, fields and vineyards, the coast: of the corpus that `make demo` builds."""

_QUALITY = 88


def main() -> None:
    """Write the picture. Raises CorpusError: there is no demo."""
    sheet = preview(open_destination(str(CORPUS)), SAMPLES, columns=1)
    if sheet is None:
        raise SystemExit(f"{CORPUS}: has no samples. Run `make demo`.")
    with Image.open(io.BytesIO(sheet)) as image:
        # Without subsampling: the edges of labels are sharp.
        image.save(PICTURE, quality=_QUALITY, subsampling=0, optimize=True)
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
