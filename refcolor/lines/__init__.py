"""Line art: XDoG sketches, the lines and the paper of a drawing by hand."""
