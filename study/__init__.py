"""The platform: studies of many point cloud codecs, and the front of those that none other beats."""
