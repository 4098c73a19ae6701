"""Published results as claims: what was printed, which cells it rests on, and whether it holds."""
