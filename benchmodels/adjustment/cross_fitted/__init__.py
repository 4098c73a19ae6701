"""Average practice learnt by any scikit-learn estimator, each unit's from the other units alone."""

from benchmodels.adjustment.cross_fitted.fit import CrossFitCertificate, CrossFittedFit
from benchmodels.adjustment.cross_fitted.model import CrossFitted

__all__ = ["CrossFitCertificate", "CrossFitted", "CrossFittedFit"]
