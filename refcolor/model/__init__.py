"""The networks: blocks < attention, encoder, decoder < generator, discriminator."""
