"""The data sets of the course: MNIST and CIFAR-10 from checked files, digits and shapes without any.

```python
from labs_extension.data import load_mnist
(x_train, y_train), (x_test, y_test) = load_mnist()
```
"""

from __future__ import annotations

from labs_extension.data.places import DataMissing
from labs_extension.data.sets import CLASSES, Split, load_cifar10, load_digits, load_mnist
from labs_extension.data.shapes import SHAPES, make_shapes

__all__ = [
    "CLASSES",
    "SHAPES",
    "DataMissing",
    "Split",
    "load_cifar10",
    "load_digits",
    "load_mnist",
    "make_shapes",
]
