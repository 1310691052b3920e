"""What is said of the chamfer distance as a loss, tried: the numbers of docs/chamfer.md."""
