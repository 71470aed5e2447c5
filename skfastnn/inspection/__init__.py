"""Pictures of fitted networks, as scikit-learn draws them: `from_estimator` computes, `plot` draws.

Matplotlib is imported when something is drawn: ``pip install "skfastnn[plot]"``.
"""

from skfastnn.inspection._firing import FiringDisplay
from skfastnn.inspection._search import SearchDisplay
from skfastnn.inspection._training import TrainingDisplay

__all__ = ["FiringDisplay", "SearchDisplay", "TrainingDisplay"]
