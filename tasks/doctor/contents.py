"""What the corpus is to hold: whether its places and window can be had."""

from tasks.doctor.findings import Finding, wrong
from tasks.errors import DeepSentinelError
from tasks.places.draws import ListedPlaces, RandomPlaces
from tasks.places.opening import open_places
from tasks.scenes.roles import first_images, lifetime_notes
from tasks.settings import Settings
from tasks.spec import CorpusSpec

Places = RandomPlaces | ListedPlaces
"""Whatever a spec draws from."""


def examine_places(spec: CorpusSpec, settings: Settings, opened: list[Places]) -> list[Finding]:
    """Whether the places can be read and are enough; what was opened goes into `opened`."""
    try:
        places = open_places(spec, settings.cache)
        opened.append(places)
        shards = places.shards(spec.size)
    except DeepSentinelError as error:
        return [wrong("places", error, "Correct `places` in the spec.")]
    if isinstance(places, RandomPlaces):
        wanted = f"room for {places.capacity * spec.shard_size:,} samples, {spec.size:,} wanted in {shards:,} shards"
    else:
        wanted = f"{len(places.patches):,} places in {shards:,} shards"
    return [
        Finding(what="places", ok=True, found=f"{spec.places.words}: {wanted}"),
        *(Finding(what="places", ok=True, found=note) for note in places.notes),
    ]


def examine_window(spec: CorpusSpec) -> list[Finding]:
    """Whether the missions have images within the window."""
    first, end = spec.window
    missions = first_images(spec)
    for mission, since in missions.items():
        if end <= since:
            found = f"ends {end:%Y-%m-%d}, before {mission}'s first images ({since:%Y-%m-%d}): nothing can be paired"
            return [Finding(what="window", ok=False, found=found, remedy="Use a later `window`.")]
    if notes := lifetime_notes(spec):
        return [Finding(what="window", ok=True, found=note, remedy="A later `window` avoids it.") for note in notes]
    within = "within both missions" if len(missions) > 1 else f"within {' and '.join(missions)}"
    parts = f", in {spec.dates} parts" if spec.dates > 1 else ""
    return [Finding(what="window", ok=True, found=f"{first:%Y-%m-%d} to {end:%Y-%m-%d}{parts}, {within}")]
