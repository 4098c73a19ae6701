"""Results as folders: written whole, described by a manifest, run again, and held against each other."""
