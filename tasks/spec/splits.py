"""The splits of a spec: shares of blocks, or a column of the places' file."""

from typing import Any, Self

from pydantic import Field, model_validator

from tasks.spec.parts import Part
from tasks.spec.places import Places

SPLITS = ("train", "validation", "test")


class Splits(Part):
    """Shares of the samples for training, validation and test, which add up to 1; or a column of the places' file."""

    train: float | None = Field(default=0.7, ge=0, le=1)
    """Share for training; with `by` what the others leave."""
    validation: float | None = Field(default=0.1, ge=0, le=1)
    """Share for validation."""
    test: float | None = Field(default=0.2, ge=0, le=1)
    """Share for the test."""
    by: str | None = None
    """One of `places: {columns: ...}`. Alone, its values are the splits: train, validation or test. With shares, such
    as `{by: region, test: 0.1, validation: 0.1}`, all places with one value are in one split, drawn by the seed.
    Without it, blocks of 100 km are."""

    @model_validator(mode="before")
    @classmethod
    def _by_column(cls, splits: Any) -> Any:
        if not isinstance(splits, dict) or splits.get("by") is None:
            return splits
        given: dict[str, Any] = {name: splits.get(name) for name in SPLITS}
        if any(share is not None for share in given.values()):
            given |= {name: 0.0 for name, share in given.items() if share is None}
            others = (given["validation"], given["test"])
            if splits.get("train") is None and all(isinstance(share, int | float) for share in others):
                given["train"] = max(0.0, round(1 - sum(others), 12))
        return splits | given

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.as_given:
            return self
        if lacking := [name for name in SPLITS if getattr(self, name) is None]:
            raise ValueError(f"{lacking[0]}: expected a number, found nothing")
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train, validation and test add up to {total:g}, expected 1")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """Share of each split by its name; 0 if a column has the splits themselves."""
        return {"train": self.train or 0.0, "validation": self.validation or 0.0, "test": self.test or 0.0}

    @property
    def as_given(self) -> bool:
        """Whether a column has the splits themselves."""
        return self.by is not None and (self.train, self.validation, self.test) == (None, None, None)


def refuse_splits(splits: Splits, places: Places, pixels: int) -> None:
    """See that the column that splits go by is there, and that tiles that overlap have one. Raises ValueError."""
    if splits.by is not None and places.random is not None:
        raise ValueError(
            f"splits: by: {splits.by!r} is to be a column of the places' file, and places at random have none; leave "
            "`by` out, or list places with cover or points"
        )
    if splits.by is not None and splits.by not in (places.columns or ()):
        kept = f"{', '.join(places.columns)} are" if places.columns else "none is"
        raise ValueError(
            f"splits: by: {splits.by!r} is no column that the places keep ({kept}); write `places: "
            f"{{{places.mode}: ..., columns: [{splits.by}]}}`"
        )
    if places.stride is None or places.stride == pixels:
        return
    if places.stride > pixels:
        raise ValueError(
            f"places: stride: {places.stride} pixels leave gaps between patches of {pixels}; use {pixels} or less, or "
            "leave it out"
        )
    if splits.by is None:
        raise ValueError(
            f"places: stride: patches of {pixels} pixels every {places.stride} overlap, and splits by blocks of 100 km "
            "would part some that do; name a column of whole regions, such as `columns: [region]` under places and "
            "`splits: {by: region, validation: 0.1, test: 0.2}`, or leave `stride` out"
        )
