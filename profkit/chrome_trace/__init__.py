"""Chrome-trace JSON of any size into columns: what `importers/kineto.py` is made of."""
