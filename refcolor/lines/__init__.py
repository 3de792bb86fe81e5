"""Line art: XDoG sketches, and the decomposition of drawings into lines and paper."""
