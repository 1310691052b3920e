"""A codec with two members: each cloud, and each patch of it, is coded by whichever is cheaper.

The members are a learned codec (`model.cloud_codec`) and an octree (`model.octree`).
"""
