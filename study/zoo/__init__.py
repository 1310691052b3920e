"""Codecs that come with the package, each a folder, ready to compress with (docs/zoo.md)."""
