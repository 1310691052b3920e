"""The codecs of a study: which there are, which are kept, and which one is taken home."""
