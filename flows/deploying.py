"""What deployments need on a Prefect server before they are registered: work pools, and limits of platforms.

python -m flows.deploying      makes the work pools, or brings their templates up to date

`--image` and `--train-image` say what pools of containers run, where that is not an image of this machine.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

POOLS = {"local": "process", "docker": "docker", "kubernetes": "kubernetes", "gpu": "kubernetes"}
"""Work pools and their types."""

FOLDER = Path(__file__).parents[1] / "deployments" / "work-pools"
"""Holds the base job template of each."""


def make_pools(image: str | None = None, train_image: str | None = None) -> list[str]:
    """Make the work pools that are missing, and give the others the templates that are here; says what was done.

    `image` and `train_image`: what is run in containers and in those with a GPU, instead of what the templates name.
    """
    told: list[str] = []
    with get_client(sync_client=True) as client:
        for name, kind in POOLS.items():
            template = template_of(name, train_image if name == "gpu" else image)
            try:
                client.read_work_pool(name)
            except ObjectNotFound:
                client.create_work_pool(WorkPoolCreate(name=name, type=kind, base_job_template=template))
                told.append(f"{name}: made ({kind})")
            else:
                client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))
                told.append(f"{name}: is there")
    return told


def template_of(name: str, image: str | None) -> dict[str, Any]:
    """The base job template of a work pool; its containers, if it has any, run `image` unless a run says otherwise."""
    template = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    if image and (variable := template["variables"]["properties"].get("image")):
        variable["default"] = image
    return template


def limit_platforms(**shards: int) -> dict[str, int]:
    """Set how many shards each platform serves at once; a step of `prefect deploy`."""
    limits = {f"deepsentinel-{platform}": limit for platform, limit in shards.items()}
    with get_client(sync_client=True) as client:
        for name, limit in limits.items():
            client.upsert_global_concurrency_limit_by_name(name, limit)
    return limits


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the work pools of deployments/work-pools/.")
    parser.add_argument("--image", help="image that the pools docker and kubernetes run")
    parser.add_argument("--train-image", help="image that the pool gpu runs")
    arguments = parser.parse_args()
    print("\n".join(f"work pool {line}" for line in make_pools(arguments.image, arguments.train_image)))
