"""A copy of a study beyond its driver's disk: an object store, or a second folder."""
