"""A loss over several ranks: what they are asked, what is right, and what is wrong."""
