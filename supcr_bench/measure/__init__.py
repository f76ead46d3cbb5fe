"""What is done to one cell inside a worker: agreement, memory, time."""
