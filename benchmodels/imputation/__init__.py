"""Missing covariates by multiple imputation: complete a table many times, answer each, and pool the answers.

``pool([model.fit(table).compare() for table in impute(data, model)])``
"""

from benchmodels.imputation.completed import impute
from benchmodels.imputation.pooling import pool, pool_coefficients

__all__ = ["impute", "pool", "pool_coefficients"]
