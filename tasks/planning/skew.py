"""Whether places pair as often everywhere and at all times: if not, a corpus has another map than its draws."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd
from geopandas import GeoDataFrame

from tasks.places.continents import continents_of


def told_rates(rows: GeoDataFrame) -> list[str]:
    """Shares of a plan's candidates that pair, by continent and by year of the preferred instant, as lines of text;
    nothing where there is but one."""
    paired = [bool(one) for one in pd.isna(rows["missing"].to_numpy())]
    continents = continents_of(rows["lon"].to_numpy(), rows["lat"].to_numpy())
    years = [str(when)[:4] for when in rows["preferred_time"]]
    return [*_rates(paired, continents, "continent"), *_rates(paired, years, "year")]


def _rates(paired: Sequence[bool], of: Sequence[str], what: str) -> list[str]:
    tried, served = Counter(of), Counter(name for name, one in zip(of, paired, strict=True) if one)
    if len(tried) < 2:
        return []
    rates = (f"{name} {served[name] / count:.0%} of {count:,}" for name, count in sorted(tried.items()))
    return [f"paired by {what}: {', '.join(rates)}"]
