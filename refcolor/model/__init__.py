"""The networks: blocks < attention < generator, discriminator."""
