"""``make training-study``: whether the choice of the loss changes what an encoder learns."""
