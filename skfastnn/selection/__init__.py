"""What a network should see, and with which ridge: chosen in closed form, before there is a network."""

from skfastnn.selection._budget import forest_operations
from skfastnn.selection._select import Candidate, Selection, select
from skfastnn.selection._spread import standard_deviation, unit_of

__all__ = ["Candidate", "Selection", "forest_operations", "select", "standard_deviation", "unit_of"]
