"""callgrind.out of any size into columns: what `importers/callgrind.py` is made of."""
