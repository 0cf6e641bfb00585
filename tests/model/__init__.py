"""The judges of the swarm: a dictionary model, and statistics of its random choices."""
