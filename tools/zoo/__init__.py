"""How the codecs that come with the package were made."""
