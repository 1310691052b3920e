"""The octree codec: occupied voxels and their numbers of points, coded without training.

Nothing here needs PyTorch.
"""
