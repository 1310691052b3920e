"""A variational autoencoder of patches, written for one trial: the example that ships."""
