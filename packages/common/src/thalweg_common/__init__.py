"""The C core of Thalweg and what its tracker services share."""
