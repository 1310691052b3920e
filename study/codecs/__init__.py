"""Finished codecs at work: on files, on objects to look at, and measured against others."""
