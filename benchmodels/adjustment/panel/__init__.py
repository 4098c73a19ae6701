"""Linear panel models: one row per unit and period, by way of linearmodels."""

from benchmodels.adjustment.panel.fit import PanelFit, PanelTest
from benchmodels.adjustment.panel.model import Panel, PanelCovariance, PanelEffects

__all__ = ["Panel", "PanelCovariance", "PanelEffects", "PanelFit", "PanelTest"]
