"""Evidence in, one decision out. Pure: reads no clock, no network, no random generator."""
