"""What growth in expenditure consists of: which items, which providers, more recipients or a higher price of each.

Every function takes a long table and the names of its columns, and returns a table; shares and growth are fractions
(0.01 is one per cent, or one percentage point). What a reader must know beside it is in ``attrs["notes"]``.
"""

from benchmodels.expenditure.changes import REST, contributions, growth
from benchmodels.expenditure.prices import fixed_prices, split_growth
from benchmodels.expenditure.providers import PROVIDERS, provider_mix, unit_costs

__all__ = [
    "PROVIDERS",
    "REST",
    "contributions",
    "fixed_prices",
    "growth",
    "provider_mix",
    "split_growth",
    "unit_costs",
]
