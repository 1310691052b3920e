"""Other codecs to measure ours against: each makes an `Evaluation` of clouds, whatever it is."""
