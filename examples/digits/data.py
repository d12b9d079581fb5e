"""scikit-learn's handwritten digits: 1,797 images of 8 x 8 pixels, in one fixed split.

The split is the definition of the demo's test set: 450 images, stratified by class, ``random_state=0``.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

TEST_SAMPLES = 450


def load_digits_split() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """``(x_train, y_train), (x_test, y_test)``: float32[n, 8, 8, 1] in 0..1, and int64[n] in 0..9."""
    digits = load_digits()
    x = (digits.images / 16.0).astype(np.float32)[..., None]
    x_train, x_test, y_train, y_test = train_test_split(
        x, digits.target, test_size=TEST_SAMPLES, stratify=digits.target, random_state=0
    )
    return (x_train, y_train), (x_test, y_test)
