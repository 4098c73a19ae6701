"""Best practice at prices: least cost, largest revenue and profit, and what of the gap is waste and what is mix."""

from benchmodels.frontier.economics.fits import EconomicFit
from benchmodels.frontier.economics.models import CostEfficiency, ProfitEfficiency, RevenueEfficiency

__all__ = ["CostEfficiency", "EconomicFit", "ProfitEfficiency", "RevenueEfficiency"]
