"""Which distortion gives the better front? The study of docs/chamfer.md, and what it found."""
