"""Which trials no other beats: metrics, objectives, domination and hypervolume."""
