"""What `deepsentinel estimate` and `deepsentinel plan` show."""

from pathlib import Path

from tasks.errors import DestinationError, SpecError
from tasks.imagery.registry import platform_settings
from tasks.places.opening import open_places
from tasks.planning.estimate import INGESTED, estimate
from tasks.scenes.reasons import Reason
from tasks.scenes.roles import lifetime_notes
from tasks.settings import load_settings
from tasks.spec import CorpusSpec
from tasks.spec.acquisitions import anchors_of

_PARQUET = (".parquet", ".geoparquet")
_DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".fgb": "FlatGeobuf"}


def show_estimate(spec: CorpusSpec) -> None:
    """Print what a build takes. Raises SpecError, PlacesError: it could not be built at all."""
    settings = load_settings()
    places = open_places(spec, settings.cache)
    for note in (*places.notes, *lifetime_notes(spec)):
        print(f"note: {note}")
    found = estimate(spec, places, settings, platform_settings(spec))
    print(
        f"{spec.name}: {found.samples:,} samples in {found.shards:,} shards; the places would give {found.capacity:,}"
    )
    if (looks := spec.dates * len(spec.roles)) > 2 or spec.dates > 1:
        dates = f" at {spec.dates} dates" if spec.dates > 1 else ""
        print(f"each sample has {looks} acquisitions of every platform: {', '.join(spec.roles)}{dates}")
    for platform in found.platforms:
        print(
            f"{platform.name}: {platform.requests:,} requests, {platform.bytes_moved / 1e9:,.1f} GB moved, "
            f"{platform.hours:,.1f} h at {platform.limit}"
        )
    if any(item.name == "osm" for item in spec.label_items):
        print(
            f"osm: its extracts are ingested before the build, about {3600 * INGESTED / 1e9:.0f} GB an hour: "
            "`deepsentinel ingest SPEC PBF...`"
        )
    for destination, price in found.prices:
        cost = f", {price:,.2f} USD a month (list price of {settings.prices_of})" if price is not None else ""
        print(f"{destination}: {found.bytes_stored / 1e9:,.1f} GB stored{cost}")
    print("Candidates that cannot be served and are replaced come on top; `plan` and the first shards tell how many.")


def write_plan(spec: CorpusSpec, shards: str, out: Path) -> None:
    """Write a plan in the format that the file's name asks for, and say how it came out.

    Raises SpecError: of no known format, or no such shards; DestinationError: it cannot be written.
    """
    # Imported here, because estimates need neither platforms nor threads.
    from tasks.assembly.builder import open_builder
    from tasks.planning.plan import parse_shards, plan, without_lists
    from tasks.planning.skew import told_rates
    from tasks.shards.rows import encode_rows

    ending = out.suffix.lower()
    if ending not in (*_PARQUET, *_DRIVERS):
        raise SpecError(f"--out {out}: expected a name that ends in {', '.join((*_PARQUET, *_DRIVERS))}.")
    wanted = parse_shards(shards)
    builder = open_builder(spec)
    for note in builder.notes:
        print(f"note: {note}")
    rows = plan(builder, wanted)
    try:
        if ending in _PARQUET:
            out.write_bytes(encode_rows(rows))
        else:
            without_lists(rows).to_file(out, driver=_DRIVERS[ending])
    except OSError as error:
        raise DestinationError(
            f"{out}: cannot be written: {error.strerror or error}. Choose another file with --out."
        ) from None
    paired = rows["missing"].isna()
    print(f"{out}: {len(rows):,} candidates, {paired.sum():,} paired")
    for rates in told_rates(rows):
        print(f"  {rates}")
    for reason, count in rows["missing"].value_counts().items():
        print(f"  {count:,} {Reason(str(reason)).words}")
    if "missing_dates" in rows:
        reasons = rows.loc[paired, "missing_dates"].explode().dropna().value_counts()
        for reason, count in reasons.items():
            print(f"  {count:,} dates of them without pixels: {Reason(str(reason)).words}")
    for role, near in anchors_of(spec.roles).items():
        if near is None:
            continue
        gaps = rows.loc[paired, "gap_hours" if role == "s1" else f"{role}_gap_hours"].explode().astype(float).abs()
        if gaps.notna().any():
            which = "gap" if (role, near) == ("s1", "s2") else f"gap of {role} to {near}"
            print(f"  {which} {gaps.min():.1f} / {gaps.median():.1f} / {gaps.max():.1f} h (least, median, most)")
