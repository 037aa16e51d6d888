"""What stands between encoder and decoder: nothing, a Gaussian, codes, or a sparse dictionary.

A bottleneck takes what the encoder gives and returns the latent that the decoder is given, with the
terms that it adds to the training loss. In eval mode it draws nothing.
"""
