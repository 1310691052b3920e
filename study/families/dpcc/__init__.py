"""D-PCC behind the platform's protocols: the only package here that knows its network and loss."""
