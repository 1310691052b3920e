"""The platform: studies of point cloud codecs, and the front of those that none other beats."""
