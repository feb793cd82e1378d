"""Growing a corpus by steps."""

from pathlib import Path

import pytest

from tasks.errors import SpecError
from tasks.planning.growth import grown, next_size
from tasks.shards.description import describe_everywhere
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object
from tasks.spec import CorpusSpec
from tests.unit.builders import MadeUp, made_up_builder, values
from tests.unit.shards.made import commit_of


@pytest.mark.parametrize(
    ("held", "missing", "size"),
    [
        (0, 0, 500),  # nothing there: the first step
        (2, 0, 1000),  # whole: the next step
        (2, 1, 500),  # shards are missing: these first
        (3, 0, 1000),  # no further than the goal
        (8, 0, 2000),  # larger already: it stays
    ],
)
def test_a_whole_corpus_grows_and_another_is_completed(held: int, missing: int, size: int) -> None:
    assert next_size(1000, held, missing, step=500, shard_size=250) == size


def test_a_step_is_whole_shards() -> None:
    assert next_size(1000, 1, 0, step=1, shard_size=250) == 500


def test_steps_lead_to_the_goal(tmp_path: Path) -> None:
    goal = CorpusSpec.model_validate(values(tmp_path, size=10, shard_size=2))
    sizes: list[int | None] = []
    for _ in range(4):
        spec = grown(goal, 4)
        sizes.append(spec.size)
        description = made_up_builder(tmp_path, MadeUp(), size=spec.size, shard_size=2).description
        folder = LocalFolder(str(tmp_path / "corpus"))
        describe_everywhere([folder], description)
        assert grown(goal, 4).size == spec.size, "until it is whole it does not grow"
        for shard in range(description.shards):
            folder.put(commit_object(shard), commit_of({}, shard).to_bytes())
    assert sizes == [4, 8, 10, 10]


def test_a_step_has_to_be_one_and_places_must_not_be_listed(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="grow_by: 0 is no step"):
        next_size(1000, 1, 0, step=0, shard_size=250)
    listed = values(tmp_path, size=None, places={"points": str(tmp_path / "region.gpkg")})
    with pytest.raises(SpecError, match="the places are listed"):
        grown(CorpusSpec.model_validate(listed), 4)
