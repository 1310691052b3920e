"""An octree whose decoder is a network: it sees neighbouring voxels, and puts points among them."""
