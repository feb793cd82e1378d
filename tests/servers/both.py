"""Both platforms over loopback, holding the same acquisitions; each under its own names, and with its own pixels."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from tests.servers import earthone
from tests.servers.earthengine import EarthEngineServer
from tests.servers.world import GRD, L2A, Scene, World


@dataclass(frozen=True)
class Both:
    """Two servers and what they hold."""

    world: World
    """As Earth Engine has it."""
    earthengine: EarthEngineServer
    earthone: earthone.Server

    @cached_property
    def twin(self) -> dict[str, str]:
        """Earth Engine's name of each image of EarthOne."""
        return {twin_of(scene).id: scene.id for scene in self.world.scenes if scene.collection in (L2A, GRD)}

    @property
    def environment(self) -> dict[str, str]:
        """Settings that lead to both."""
        client, secret = self.earthone.world.client
        return {
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "DEEPSENTINEL_EARTHENGINE_URL": self.earthengine.url,
            "DEEPSENTINEL_EARTHENGINE_CREDENTIALS": "anonymous",
            "DEEPSENTINEL_EARTHENGINE_PROJECT": self.earthengine.project,
            "DEEPSENTINEL_DESCARTESLABS_URL": self.earthone.url,
            "DEEPSENTINEL_DESCARTESLABS_IAM_URL": self.earthone.url,
            "DEEPSENTINEL_DESCARTESLABS_CLIENT_ID": client,
            "DEEPSENTINEL_DESCARTESLABS_CLIENT_SECRET": secret,
        }

    def complaints(self) -> list[str]:
        """What either was sent that the real one would not expect."""
        return [*self.earthengine.complaints, *self.earthone.world.problems]


@contextmanager
def serving_both(
    world: World, *, public_key: bytes | None = None, client: tuple[str, str] | None = None
) -> Iterator[Both]:
    """Serve a world on both platforms; `public_key` and `client` are what logins are checked against."""
    own = earthone.World(scenes=[twin_of(scene) for scene in world.scenes if scene.collection in (L2A, GRD)])
    if client:
        own.client = client
    with EarthEngineServer(world, public_key=public_key) as first, earthone.Server(own) as second:
        yield Both(world, first, second)


def twin_of(scene: Scene) -> earthone.Scene:
    """An acquisition of Earth Engine as EarthOne's catalogue has it: named by ESA's product, under an id of its own."""
    acquired = dt.datetime.fromtimestamp(scene.time / 1000, tz=dt.UTC)
    product = earthone.SENTINEL1 if scene.collection == GRD else earthone.SENTINEL2
    attributes = _radar(scene) if scene.collection == GRD else _optical(scene)
    return earthone.Scene(
        id=f"{product}:meta_{acquired:%Y-%m-%d}_{scene.index}_v1",
        product=product,
        acquired=acquired.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        footprint=scene.outline,
        epsg=None if scene.collection == GRD else scene.epsg,
        attributes=attributes,
    )


def _optical(scene: Scene) -> dict[str, object]:
    mission, taken, _, baseline = scene.get("DATATAKE_IDENTIFIER").removeprefix("G").split("_")
    made = dt.datetime.fromtimestamp(scene.get("GENERATION_TIME") // 1000, tz=dt.UTC)
    name = (
        f"{mission}_MSIL1C_{taken}_{baseline.replace('.', '')}_R{scene.get('SENSING_ORBIT_NUMBER'):03d}"
        f"_T{scene.get('MGRS_TILE')}_{made:%Y%m%dT%H%M%S}"
    )
    return {
        "provider_id": name,
        "cloud_fraction": scene.get("CLOUDY_PIXEL_PERCENTAGE") / 100,
        "satellite_id": mission,
        "solar_elevation_angle": 90 - scene.get("MEAN_SOLAR_ZENITH_ANGLE"),
    }


def _radar(scene: Scene) -> dict[str, object]:
    held = scene.get("transmitterReceiverPolarisation")
    kind = {("VV", "VH"): "1SDV", ("VV",): "1SSV", ("HH", "HV"): "1SDH"}[tuple(held)]
    name, _, unique = scene.index.replace("1SDV", kind).rpartition("_")
    extra = {
        "pass": scene.get("orbitProperties_pass"),
        "relative_orbit": str(scene.get("relativeOrbitNumber_start")),
    }
    return {"provider_id": f"{name}_{unique[:6]}_{unique[2:6]}", "extra_properties": extra}
