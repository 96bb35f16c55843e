from . import references, models
