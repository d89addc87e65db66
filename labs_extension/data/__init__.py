"""The data sets of the course: MNIST and CIFAR-10 from files that are checked, digits without any.

```python
from labs_extension.data import load_mnist
(x_train, y_train), (x_test, y_test) = load_mnist()
```
"""

from __future__ import annotations

from labs_extension.data.places import DataMissing
from labs_extension.data.sets import CLASSES, load_cifar10, load_digits, load_mnist

__all__ = ["CLASSES", "DataMissing", "load_cifar10", "load_digits", "load_mnist"]
