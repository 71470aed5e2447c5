"""A matrix kept as itself plus low-rank updates that have not been added yet."""

from skfastnn.published._low_rank_matrix import LazyLowRankMatrix

__all__ = ["LazyLowRankMatrix"]
