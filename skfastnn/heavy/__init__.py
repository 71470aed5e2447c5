"""Heavy inner products: the pairs of +-1 rows that are far more alike than the rest."""

from skfastnn.heavy._heavy_pairs import HeavyPairs, heavy_pairs

__all__ = ["HeavyPairs", "heavy_pairs"]
