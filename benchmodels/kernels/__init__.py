"""Numbers only: pure functions on arrays and frozen records. The hot path lives here.

Shape letters: n rows (cells), p columns, k units, g levels (1 when pooled, k under unit effects).
"""
