"""Python processes that tests fork from one that has imported torch, which takes seconds."""
