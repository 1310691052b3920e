"""Families of models: each a package or module that knows its settings, losses and networks.

The rest of the platform meets them through protocols only, and finds them by name
(`study.config.family.FAMILIES`, or a user's own ``module:Class``).
"""
