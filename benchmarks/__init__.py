"""How long things take, as ratios measured in one run: `python -m benchmarks --help`."""
