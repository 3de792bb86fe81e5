"""The web page of `refcolor app`, which colours a drawing and takes corrections."""
