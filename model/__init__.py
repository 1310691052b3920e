"""The codec: hierarchies, encoder, bottleneck, decoder, files.

Nothing is imported here: preparing data needs :mod:`model.hierarchy` and must not wait for torch.
"""
