"""What crosses packages: golden exchanges, the swarm's model, real clients, packaging, the manual."""
