"""The standard library's arithmetic on samples, in C; from Python 3.13 on the package audioop-lts.

The processes that speak import this and little else.
"""

import warnings

with warnings.catch_warnings():
    # Deprecated in 3.11 and 3.12.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

__all__ = ["audioop"]
