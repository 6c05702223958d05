"""What a method without a path says of itself."""

import numpy as np
import torch

from factneurons.attribution.scores import Scores


def test_without_a_path_nothing_is_promised():
    found = Scores.without_path([torch.ones(2, 5), torch.zeros(2, 5)], 3)
    assert found.points.tolist() == [[3, 3], [3, 3]]
    for values in (found.start, found.error, found.ratio):
        assert values.shape == (2, 2)
        assert np.isnan(values).all()
    assert np.isnan(found.change).all()
    assert found.change.shape == (2,)
