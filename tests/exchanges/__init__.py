"""The golden exchanges of docs/reference/exchanges, and the judges of what goes over the wire."""
