"""Bad input of every command, as a table."""
