"""dlvlib: the small library behind the course "Deep learning for vision: classification".

Importing the package itself loads neither torch nor matplotlib; import the module you need,
for example ``from dlvlib.models.lenet import LeNet5``.
"""

__version__ = "0.1.0"
