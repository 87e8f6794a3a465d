"""The browser edge, and what machines ask: health, metrics. Pages come with their issues."""
