"""The octree codec: a cloud as occupied voxels of any edge length, coded by contexts.

Nothing is imported here, and nothing below needs torch.
"""
