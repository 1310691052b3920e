"""CompressAI's point cloud model that runs on a CPU, as a family: `compressai:NAME`."""
