"""Policy and observation in, evidence out. Pure: the same blocks give the same evidence to the bit."""
