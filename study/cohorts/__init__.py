"""Which trials train together, and how their workers and the driver talk: without Ray."""
